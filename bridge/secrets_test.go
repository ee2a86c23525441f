package bridge_test

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/bridge/django"
	"github.com/coatcheck/coatcheck/bridge/express"
	"github.com/coatcheck/coatcheck/bridge/flask"
	"github.com/coatcheck/coatcheck/bridge/gorilla"
	"github.com/coatcheck/coatcheck/bridge/internal/foreigntest"
	"github.com/coatcheck/coatcheck/bridge/php"
	"github.com/coatcheck/coatcheck/bridge/rails"
	"github.com/coatcheck/coatcheck/bridge/rediskv"
	"github.com/coatcheck/coatcheck/bridge/scs"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// A marker is 32 bytes, of which none may be printed, in any of these forms.
const marker = "marker:no-printed-value-has-this"

var markers = []string{marker, base64.StdEncoding.EncodeToString([]byte(marker)), fmt.Sprintf("%x", marker), fmt.Sprintf("%X", marker), strings.Trim(fmt.Sprint([]byte(marker)), "[]"), "109, 97, 114, 107", "0x6d, 0x61"}

// holders are the exported types that hold a secret, or a thing that does.
func holders(t *testing.T) []any {
	kv := new(foreigntest.KV)
	laravel := "base64:" + base64.StdEncoding.EncodeToString([]byte(marker))
	flaskConfig := flask.Config{SecretKey: marker, Fallbacks: []string{marker}, UserKey: marker}
	djangoConfig := django.Config{Engine: django.Cache, Cache: kv, DB: new(sql.DB), SecretKey: marker, SecretKeyFallbacks: []string{marker}}
	secret := rails.Secret{KeyBase: marker}
	railsConfig := rails.Config{SecretKeyBase: marker, Rotated: []rails.Secret{secret}, UserKey: "u", Cookie: "c"}
	expressConfig := express.Config{Secrets: []string{marker}, Store: kv}
	cookieConfig := express.CookieConfig{Keys: []string{marker}}
	phpConfig := php.Config{Store: php.Redis(kv, marker), UserKey: "u"}
	laravelConfig := php.LaravelConfig{Keys: []string{laravel}, Store: kv}
	scsConfig := scs.Config{Store: kv, UserKey: marker}
	pair := gorilla.KeyPair{Hash: []byte(marker), Block: []byte(marker)}
	gorillaConfig := gorilla.Config{Keys: []gorilla.KeyPair{pair}, Name: "n", UserKey: "u"}
	source := func(s bridge.Source, err error) bridge.Source {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	flasks := source(flask.New(flaskConfig))
	keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	move, err := bridge.NewMove(sessions, flasks, bridge.MoveConfig{Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return []any{
		flaskConfig, flasks, djangoConfig, source(django.New(djangoConfig)), secret, railsConfig, source(rails.New(railsConfig)),
		expressConfig, source(express.New(expressConfig)), cookieConfig, source(express.NewCookie(cookieConfig)),
		phpConfig, source(php.New(phpConfig)), laravelConfig, source(php.NewLaravel(laravelConfig)),
		scsConfig, source(scs.New(scsConfig)), pair, gorillaConfig, source(gorilla.New(gorillaConfig)),
		bridge.Session{ID: marker, User: marker, CSRF: marker}, move, bridge.MoveConfig{}, rediskv.KV{},
	}
}

// No verb, no JSON and no log prints a secret (G13), of a value, through a pointer or
// within something else.
func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	for _, h := range holders(t) {
		v := reflect.ValueOf(h)
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		for form, value := range map[string]any{"value": v.Interface(), "pointer": p.Interface(), "within": struct{ In any }{v.Interface()}, "list": []any{p.Interface()}} {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&out, verb+"\n", value)
			}
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", value)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", value)
			if b, err := json.Marshal(value); err == nil {
				out.Write(b)
			}
			for _, m := range markers {
				if strings.Contains(out.String(), m) {
					t.Errorf("%T as a %s prints its secret", h, form)
					break
				}
			}
		}
	}
}

// Every exported struct of the packages is in the table, or holds nothing.
func TestSecretHoldersAreListed(t *testing.T) {
	t.Parallel()
	harmless := "gorilla.Gob gorilla.JSON scs.Gob scs.JSON bridge.RefusedError bridge.SettingError bridge.Imported"
	listed := make(map[string]bool)
	for _, h := range holders(t) {
		listed[strings.TrimPrefix(reflect.TypeOf(h).String(), "*")] = true
	}
	for name := range strings.FieldsSeq(harmless) {
		listed[name] = true
	}
	n := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "internal" {
			return cmpSkip(err)
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			if _, ok := spec.Type.(*ast.StructType); ok {
				n++
				if name := file.Name.Name + "." + spec.Name.Name; !listed[name] {
					t.Errorf("%s is not in the table of types that hold a secret", name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || n < 20 {
		t.Errorf("%d types, %v", n, err)
	}
}

func cmpSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}
