package cli_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
	"github.com/coatcheck/coatcheck/testvectors"
)

// A foreignVector is a cookie that another system has made.
type foreignVector struct {
	Name    string
	Secret  string
	Data    string // a value, of Rails and Django
	Engine  string
	Cookies []string
	Key     string
	Values  map[string]json.RawMessage
}

func foreignVectors(t *testing.T, file string) (list []foreignVector) {
	t.Helper()
	raw, err := fs.ReadFile(testvectors.Files(), "bridge/"+file)
	if err != nil {
		t.Fatal(err)
	}
	var wrapped struct{ Vectors []foreignVector }
	if json.Unmarshal(raw, &list) != nil {
		if err := json.Unmarshal(raw, &wrapped); err != nil {
			t.Fatal(err)
		}
		list = wrapped.Vectors
	}
	return list
}

// beyond are vectors that are refused, as the tests of the packages have it.
var beyond = regexp.MustCompile("marshal|another cookie|^expires")

// With the old secret a cookie of another system is opened, in each way in which that may be
// configured; with another one it is not, and neither secret is ever printed.
func TestInspectForeign(t *testing.T) {
	t.Parallel()
	keygrip, laravel := "k1", "base64:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE="
	gorillaSigned, gorillaHash, gorillaBlock := strings.Repeat("2", 32), strings.Repeat("1", 64), strings.Repeat("a", 32)
	const genuine = "a genuine session"
	const stored = "the id of a session, signed with this secret"
	for _, c := range []struct {
		file, only, name, secret, block, want string // empty secret and name: the vector's
	}{
		{"rails-6.1.json", "", "_shop_session", "", "", genuine},
		{"rails-7.2.json", "", "_shop_session", "", "", genuine},
		{"express.json", "express-session", "", "one", "", stored},
		{"express.json", "cookie-session", "", keygrip, "", genuine},
		{"laravel.json", "", "", laravel, "", stored},
		{"gorilla.json", "every type, encrypted", "", gorillaHash, gorillaBlock, genuine},
		{"gorilla.json", "every type, signed", "", gorillaSigned, "", genuine},
		{"flask.json", "cookie", "", "secret of today in the tests of the bridge", "", genuine},
	} {
		n := 0
		for _, v := range foreignVectors(t, c.file) {
			if !strings.HasPrefix(v.Name, c.only) || beyond.MatchString(v.Name) {
				continue
			}
			n++
			header := c.name + "=" + v.Data
			if v.Data == "" {
				header = v.Cookies[0] + "=" + v.Cookies[1]
				if len(v.Cookies) == 4 {
					header += "; " + v.Cookies[2] + "=" + v.Cookies[3]
				}
			}
			secret := c.secret
			if secret == "" {
				secret = v.Secret
			}
			out := inspectForeign(t, header, secret, c.block)
			if !strings.Contains(out, c.want) {
				t.Errorf("%s, %s: want %q in %s", c.file, v.Name, c.want, out)
			}
			for name := range v.Values {
				quoted, _ := json.Marshal(name)
				if c.want == genuine && !strings.Contains(out, string(quoted)+" = ") {
					t.Errorf("%s, %s: want the value %s in %s", c.file, v.Name, quoted, out)
				}
			}
			other := inspectForeign(t, header, strings.Replace(secret, secret[len(secret)/2:], secret[:len(secret)/2]+"x", 1), c.block)
			if strings.Contains(other, c.want) || strings.Contains(out+other, secret) {
				t.Errorf("%s, %s: with another secret: %s", c.file, v.Name, other)
			}
		}
		if n == 0 {
			t.Errorf("%s: no vector %s", c.file, c.only)
		}
	}
}

func inspectForeign(t *testing.T, header, secret, block string) string {
	t.Helper()
	env := map[string]string{"FROM_SECRET_KEY": secret, "FROM_BLOCK_KEY": block}
	var out bytes.Buffer
	get := func(name string) string {
		if v, ok := env[name]; ok {
			return v
		}
		return os.Getenv(name)
	}
	cli.Run(t.Context(), []string{"inspect"}, strings.NewReader("Cookie: "+header), &out, &out, get)
	return out.String()
}
