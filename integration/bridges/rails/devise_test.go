//go:build linux

package rails_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/rails"
	"github.com/coatcheck/coatcheck/integration/internal/framework"
)

// password asks the application for a user's encrypted_password.
func (w *world) password(ctx context.Context, user string) (string, error) {
	if _, gone := w.gone[user]; gone {
		return "", nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"password?id="+user, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer seen
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %w", res.Status, err)
	}
	return answer.User, nil
}

// devise is what holds with the logins of Devise: they are read, and what is issued is
// one; a new password ends both, there and here; and without the function for passwords
// none counts.
func (w *world) devise(t *testing.T) {
	t.Run("move", w.moved)
	theirs, ours := framework.NewBrowser(), framework.NewBrowser()
	w.visit(t, theirs, "login", url.Values{"id": {"7"}, "values": {`{"cart": ["tea"]}`}})
	if s := w.read(t, theirs); s.User != "7" || string(s.Values["cart"]) != `["tea"]` {
		t.Errorf("they write: user %q, cart %s", s.User, s.Values["cart"])
	}
	w.issue(t, ours, bridge.Session{User: "7"})
	if got := w.visit(t, ours, "who", nil).User; got != "7" {
		t.Errorf("we write: user %q there", got)
	}
	w.without(t, theirs)
	w.visit(t, framework.NewBrowser(), "password", url.Values{"id": {"7"}, "new": {"yes"}})
	for _, b := range []*framework.Browser{theirs, ours} {
		if _, err := w.source.Read(b.Request()); !errors.Is(err, bridge.ErrEnded) {
			t.Errorf("after a new password: %v, want ErrEnded", err)
		}
		if got := w.visit(t, b, "who", nil).User; got != "" {
			t.Errorf("after a new password: user %q there", got)
		}
	}
	w.visit(t, theirs, "login", url.Values{"id": {"7"}})
	w.gone = map[string]bool{"7": true}
	if _, err := w.source.Read(theirs.Request()); !errors.Is(err, bridge.ErrEnded) {
		t.Errorf("of a user who is gone: %v, want ErrEnded", err)
	}
	w.gone = nil
}

// without is a program that does not say how passwords are found.
func (w *world) without(t *testing.T, b *framework.Browser) {
	t.Helper()
	cfg := w.config
	cfg.EncryptedPassword = nil
	source, err := rails.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var setting *bridge.SettingError
	if s, err := source.Read(b.Request()); !errors.As(err, &setting) || !strings.Contains(err.Error(), "EncryptedPassword") || s.User != "" {
		t.Errorf("without the function for passwords: user %q, %v", s.User, err)
	}
}
