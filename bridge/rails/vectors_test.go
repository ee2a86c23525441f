package rails_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/rails"
)

// A file of vectors, made by Rails itself: testvectors/bridge/make_rails.rb.
type file struct {
	At      int64
	Cookie  string
	Vectors []vector
}

type vector struct {
	Name, Secret, Digest, Data string
	GCM                        bool
	Expires                    int64
	Values                     map[string]json.RawMessage
}

var versions = []string{"6.1", "7.2"}

func load(t testing.TB, version string) (f file) {
	t.Helper()
	data, err := os.ReadFile("../../testvectors/bridge/rails-" + version + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func (v vector) secret() rails.Secret {
	digest := rails.SHA256
	if v.Digest == "SHA1" {
		digest = rails.SHA1
	}
	return rails.Secret{KeyBase: v.Secret, Digest: digest, CBC: !v.GCM}
}

func source(t testing.TB, f file, s rails.Secret, rotated ...rails.Secret) *rails.Source {
	t.Helper()
	got, err := rails.New(rails.Config{
		SecretKeyBase: s.KeyBase, Digest: s.Digest, CBC: s.CBC, Rotated: rotated,
		Cookie: f.Cookie, UserKey: "user_id", UserIsNumber: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// at runs f at the time of the vectors.
func at(t *testing.T, f file, run func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(f.At, 0)))
		run(t)
	})
}

func generic(t *testing.T, values map[string]json.RawMessage) (out map[string]any) {
	t.Helper()
	data, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestVectors(t *testing.T) {
	for _, version := range versions {
		f := load(t, version)
		at(t, f, func(t *testing.T) {
			for _, v := range f.Vectors {
				if v.Values == nil {
					continue
				}
				got, err := source(t, f, v.secret()).Open(t.Context(), v.Data)
				if err != nil {
					t.Errorf("Rails %s, %s: %v", version, v.Name, err)
					continue
				}
				if a, b := generic(t, got.Values), generic(t, v.Values); !reflect.DeepEqual(a, b) {
					t.Errorf("Rails %s, %s: got %v\nwant %v", version, v.Name, a, b)
				}
				if want := string(v.Values["user_id"]); got.User != want {
					t.Errorf("Rails %s, %s: got user %q, want %q", version, v.Name, got.User, want)
				}
				if want := "rails:592cf4dafa84aac8b0f667d511f0f639"; v.Name != "empty" && got.ID != want {
					t.Errorf("Rails %s, %s: got id %q", version, v.Name, got.ID)
				}
			}
		})
	}
}

// Rotation: what Rails made under secrets of before is read with them in Rotated, and
// without them the error names the setting, and no secret.
func TestRotation(t *testing.T) {
	for _, version := range versions {
		f := load(t, version)
		at(t, f, func(t *testing.T) {
			for _, v := range f.Vectors {
				if v.Name != "login" {
					continue
				}
				now := rails.Secret{KeyBase: "the secret of tomorrow, which is long"}
				if _, err := source(t, f, now, rails.Secret{KeyBase: "another"}, v.secret()).Open(t.Context(), v.Data); err != nil {
					t.Errorf("%+v: %v", v.secret(), err)
				}
				_, err := source(t, f, now, rails.Secret{KeyBase: "another"}).Open(t.Context(), v.Data)
				setting(t, err, "rails.Config.SecretKeyBase or Rotated", "")
			}
		})
	}
}

func setting(t *testing.T, err error, name, want string) {
	t.Helper()
	var e *bridge.SettingError
	if !errors.As(err, &e) || !errors.Is(err, bridge.ErrForged) || e.Setting != name || e.Want != want {
		t.Errorf("got %v, want an error that names %s and %q", err, name, want)
	}
	if err != nil && strings.Contains(err.Error(), "0123456789") {
		t.Errorf("the error has a secret: %v", err)
	}
}

// One setting is another than Rails has it.
func TestSettings(t *testing.T) {
	for _, version := range versions {
		f := load(t, version)
		at(t, f, func(t *testing.T) {
			for _, v := range f.Vectors {
				if v.Name != "login" {
					continue
				}
				s := v.secret()
				s.Digest = 1 - s.Digest
				_, err := source(t, f, s).Open(t.Context(), v.Data)
				setting(t, err, "rails.Config.Digest", v.Digest)

				s = v.secret()
				s.CBC = !s.CBC
				_, err = source(t, f, s).Open(t.Context(), v.Data)
				setting(t, err, "rails.Config.CBC", map[bool]string{true: "false", false: "true"}[v.GCM])

				other := f
				other.Cookie = "_other"
				_, err = source(t, other, v.secret()).Open(t.Context(), v.Data)
				if err != nil { // without a purpose Rails takes it, too
					setting(t, err, "rails.Config.Cookie, which is in the purpose of the message,", "")
				}

				redis, errNew := rails.New(rails.Config{Redis: &foreigntest.KV{}, Cookie: f.Cookie, UserKey: "user_id"})
				if errNew != nil {
					t.Fatal(errNew)
				}
				_, err = redis.Open(t.Context(), v.Data)
				setting(t, err, "rails.Config.Redis", "nil, as the cookie is the session,")
				_, err = source(t, f, v.secret()).Open(t.Context(), "592cf4dafa84aac8b0f667d511f0f639")
				setting(t, err, "rails.Config.Redis", "a store of sessions")
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, version := range versions {
		f := load(t, version)
		at(t, f, func(t *testing.T) {
			for _, v := range f.Vectors {
				if v.Values != nil {
					continue
				}
				_, err := source(t, f, v.secret()).Open(t.Context(), v.Data)
				if v.Name == "another cookie" {
					setting(t, err, "rails.Config.Cookie, which is in the purpose of the message,", "")
					continue
				}
				var refused *bridge.RefusedError
				if !errors.As(err, &refused) || !strings.Contains(refused.What, "Marshal") {
					t.Errorf("%s: got %v, want a refusal of Marshal", v.Name, err)
				}
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	for _, version := range versions {
		f := load(t, version)
		at(t, f, func(t *testing.T) {
			for _, v := range f.Vectors {
				if v.Expires == 0 {
					continue
				}
				s := source(t, f, v.secret())
				time.Sleep(time.Until(time.Unix(v.Expires-1, 0)))
				if got, err := s.Open(t.Context(), v.Data); err != nil || got.Expires.Unix() != v.Expires {
					t.Errorf("a second before the end: %v, an end at %v", err, got.Expires)
				}
				time.Sleep(time.Second)
				if _, err := s.Open(t.Context(), v.Data); !errors.Is(err, bridge.ErrExpired) {
					t.Errorf("at the end: got %v, want ErrExpired", err)
				}
			}
		})
	}
}
