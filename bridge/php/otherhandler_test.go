package php_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck/bridge/php"
)

type oneKV struct{ data string }

func (k oneKV) Get(context.Context, string) ([]byte, time.Duration, error) {
	return []byte(k.data), time.Minute, nil
}
func (oneKV) Set(context.Context, string, []byte, time.Duration) error { return nil }
func (oneKV) Del(context.Context, string) error                        { return nil }

// What PHP wrote with another handler than the configured one must not become a user
// that a visitor wrote into one of their own texts.
func TestAnotherHandlerSmugglesNoUser(t *testing.T) {
	for name, c := range map[string]struct {
		read php.Handler
		data string
	}{
		// serialize(['name' => 'x|i:0;uid|i:1;y|a:1:{i:0;s:0:"'])
		"php_serialize read as php": {php.HandlerPHP, `a:1:{s:4:"name";s:30:"x|i:0;uid|i:1;y|a:1:{i:0;s:0:"";}`},
		// name is `x|i:0;uid|i:1;y|s:0:"`
		"php_binary read as php": {php.HandlerPHP, "\x04name" + `s:21:"x|i:0;uid|i:1;y|s:0:"";`},
	} {
		src, err := php.New(php.Config{Store: oneKV{c.data}, Handler: c.read, UserKey: "uid"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := src.Open(context.Background(), "abcdefghijklmnopqrstuvwxyz")
		if s.User != "" || err == nil {
			t.Errorf("%s: user %q, error %v; want a SettingError", name, s.User, err)
		}
	}
}

// A session that php wrote is read wherever its last value begins: u is 117, for
// php_binary a name of so many bytes, which may end just there.
func TestEveryLengthIsRead(t *testing.T) {
	for n := range 200 {
		text := strings.Repeat("x", n)
		data := fmt.Sprintf(`uid|s:1:"7";text|s:%d:"%s";last|i:5;`, n, text)
		src, err := php.New(php.Config{Store: oneKV{data}, UserKey: "uid"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := src.Open(context.Background(), "abcdefghijklmnopqrstuvwxyz")
		if s.User != "7" || err != nil {
			t.Errorf("with a text of %d bytes: user %q, error %v; want 7", n, s.User, err)
		}
	}
}
