package rails_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/rails"
)

const (
	scope    = "warden.user.user.key"
	password = "$2a$04$0123456789012345678901hash-of-the-password-of-seven"
)

// deviseSource knows one user, 7. That Devise itself writes and reads the same is seen
// in integration/bridges.
func deviseSource(t *testing.T) *rails.Source {
	t.Helper()
	s, err := rails.New(rails.Config{
		SecretKeyBase: secret, Cookie: "_shop", UserKey: scope, UserIsNumber: true,
		EncryptedPassword: func(_ context.Context, user string) (string, error) {
			switch user {
			case "7":
				return password, nil
			case "8":
				return "", errors.New("the database is away")
			}
			return "", nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDevise(t *testing.T) {
	s, seal := deviseSource(t), rails.Sealer(rails.Secret{KeyBase: secret})
	refused := errors.New("refused")
	for login, want := range map[string]error{
		`[[7],"` + password[:29] + `"]`:        nil,
		`[["7"],"` + password[:29] + `"]`:      nil,
		`[[7],"` + password[:28] + `x"]`:       bridge.ErrEnded,
		`[[7],"` + password + `"]`:             bridge.ErrEnded,
		`[[7],""]`:                             bridge.ErrEnded,
		`[[9],""]`:                             bridge.ErrEnded,
		`[[7]]`:                                refused,
		`[[7],"` + password[:29] + `",1]`:      refused,
		`[[7,8],"` + password[:29] + `"]`:      refused,
		`[[],"` + password[:29] + `"]`:         refused,
		`[7,"` + password[:29] + `"]`:          refused,
		`[[[7]],"` + password[:29] + `"]`:      refused,
		`[{"id":7},"` + password[:29] + `"]`:   refused,
		`["` + strings.Repeat("x", 100) + `"]`: refused,
	} {
		got, err := s.Open(t.Context(), seal([]byte(`{"`+scope+`":`+login+`}`)))
		if is := (*bridge.RefusedError)(nil); errors.As(err, &is) {
			err = refused
		}
		switch {
		case want == nil && (err != nil || got.User != "7"):
			t.Errorf("%s: user %q, %v", login, got.User, err)
		case !errors.Is(err, want), want != nil && got.User != "":
			t.Errorf("%s: user %q, %v; want %v", login, got.User, err, want)
		}
	}
	if _, err := s.Open(t.Context(), seal([]byte(`{"`+scope+`":[[8],"x"]}`))); err == nil || bridge.Skips(err) {
		t.Errorf("while the database is away: %v; want an outage", err)
	}
	if got, err := s.Open(t.Context(), seal([]byte(`{"a":1}`))); err != nil || got.User != "" {
		t.Errorf("nobody: user %q, %v", got.User, err)
	}
}

func TestDeviseIssue(t *testing.T) {
	s := deviseSource(t)
	w := httptest.NewRecorder()
	if err := s.Issue(w, foreigntest.Request(), bridge.Session{User: "7"}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Read(foreigntest.Next(w))
	if err != nil || got.User != "7" || string(got.Values[scope]) != `[[7],"`+password[:29]+`"]` {
		t.Errorf("user %q by %s, %v", got.User, got.Values[scope], err)
	}
	for _, user := range []string{"8", "9", "nobody"} {
		w := httptest.NewRecorder()
		if err := s.Issue(w, httptest.NewRequest(http.MethodPost, "/", nil), bridge.Session{User: user}); err == nil || len(w.Header()) > 0 {
			t.Errorf("%s: %v, %v; want an error and no cookie", user, err, w.Header())
		}
	}
}
