package promises_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/console"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/dbsc"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/sealedstore"
	"github.com/coatcheck/coatcheck/sqlstore"
	"github.com/coatcheck/coatcheck/store"
)

// apiType is a line of api.txt that declares a type, apiPackage one that begins a package.
var (
	apiType    = regexp.MustCompile(`^type ([A-Z]\w*)(\[[^\]]*\])? (\S+)`)
	apiPackage = regexp.MustCompile(`^package (\S+)`)
)

// exportedTypes lists the types of api.txt that can hold something: no interfaces.
func exportedTypes(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../api.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	pkg := ""
	for line := range strings.Lines(string(text)) {
		if m := apiPackage.FindStringSubmatch(line); m != nil {
			pkg = path.Base(m[1])
		}
		if m := apiType.FindStringSubmatch(line); m != nil && m[3] != "interface" {
			list = append(list, pkg+"."+m[1])
		}
	}
	return list
}

// absentDriver is a database that nobody can reach.
type absentDriver struct{}

func (absentDriver) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("absent") }
func (absentDriver) Driver() driver.Driver                        { return nil }

// printed is v in every form in which a program or a panic may show it.
func printed(v any) string {
	var b strings.Builder
	for _, x := range []any{v, &v, []any{v}, map[string]any{"k": v}, struct{ Field any }{v}, &struct{ Field any }{v}, fmt.Errorf("wrapped: %v", v)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%t"} {
			fmt.Fprintf(&b, verb+"\n", x)
		}
		if text, err := json.Marshal(x); err == nil {
			b.Write(text)
		}
		if text, err := xml.Marshal(x); err == nil {
			b.Write(text)
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", x, slog.Group("g", "v", x))
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", x, slog.Group("g", "v", x))
		func() {
			defer func() { fmt.Fprintln(&b, recover()) }()
			panic(x)
		}()
	}
	// In a field that is not exported fmt asks no methods; a pointer is then
	// all that it shows.
	if reflect.ValueOf(v).Kind() == reflect.Pointer {
		fmt.Fprintf(&b, "%v %+v\n", struct{ field any }{v}, struct{ field any }{v})
	}
	return b.String()
}

// spelled is every spelling of secret bytes that a text may have, cut to what
// cannot be there by chance.
func spelled(secret []byte) []string {
	cut := secret[:min(len(secret), 12)]
	numbers := strings.Trim(fmt.Sprint(cut[:6]), "[]")
	var hexes []string
	for _, b := range cut[:6] {
		hexes = append(hexes, fmt.Sprintf("%#x", b))
	}
	return []string{
		string(cut), hex.EncodeToString(cut), strings.ToUpper(hex.EncodeToString(cut)), base64.StdEncoding.EncodeToString(cut[:9]), base64.URLEncoding.EncodeToString(cut[:9]),
		numbers, strings.ReplaceAll(numbers, " ", ","), strings.ReplaceAll(numbers, " ", ", "), strings.Join(hexes, ", "),
	}
}

// G13: No token, id or key in any log, error, `%v`, JSON or panic: a value of
// every exported type, with secrets in it, in every form. A type that api.txt
// has and the table has not fails. ASVS 3.3.4, 16.2.5
func TestG13EveryTypePrintsNoSecret(t *testing.T) {
	t.Parallel()
	const private = "Private-Value-7731"
	db := sql.OpenDB(absentDriver{})
	t.Cleanup(func() { db.Close() })
	keyring := keys(t)
	st := memstore.New(memstore.Config{})
	sealed, err := sealedstore.New(st, keyring)
	if err != nil {
		t.Fatal(err)
	}
	sqlStore, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := cookie.NewRaw("c", cookie.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := cookie.NewSealer("c", keyring, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	value, err := sealer.Seal([]byte(private), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, forged := cookie.NewSigned[string]("c", keyring, cookie.Policy{}).Get(&http.Request{Header: http.Header{"Cookie": {"c=" + value}}})
	seen := &ledger{Store: sealed}
	m := manage(t, seen, coatcheck.Config{})
	inside := coatcheck.NewKey[string]("private")
	var out strings.Builder
	b := newBrowser(only(m, func(w http.ResponseWriter, r *http.Request, s *coatcheck.Session) {
		s.Login("alice")
		inside.Set(s, private)
		s.Commit()
		out.WriteString(printed(s) + printed(w) + printed(r.Context()))
	}))
	b.Send("POST", "/")
	token := b.Cookies()[sidName]
	infos, err := m.Sessions(t.Context(), "alice")
	if err != nil || len(infos) != 1 || len(seen.records) == 0 {
		t.Fatal(infos, err)
	}
	rec := seen.records[0]
	plain := memstore.New(memstore.Config{})
	if err := plain.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	ended := &store.EndedError{Next: rec.ID, Until: time.Now()}

	hour := new(console.Recorder)
	hour.Events(nil)(coatcheck.Event{Kind: coatcheck.LoggedIn, Handle: rec.ID.Handle(), User: "alice"})
	if err := hour.Store(memstore.New(memstore.Config{})).Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	operators := console.Config{Recorder: hour, Operators: m, Authorize: func(*http.Request) bool { return false }}
	page, err := console.New(m, operators)
	if err != nil {
		t.Fatal(err)
	}
	visitor := coatchecktest.NewHandlerBrowser(http.NotFoundHandler())
	visitor.Jar.SetCookies(&url.URL{Scheme: "https", Host: "example.com"}, []*http.Cookie{{Name: sidName, Value: token}})

	var heard coatchecktest.Events
	heard.Record(coatcheck.Event{Kind: coatcheck.LoggedIn, Handle: rec.ID.Handle(), User: "alice"})

	bound, err := dbsc.New(m, dbsc.Config{})
	if err != nil {
		t.Fatal(err)
	}

	adoption := coatcheck.Adoption{Identity: token, User: "alice", Values: map[string]json.RawMessage{"private": json.RawMessage(private)}}
	values := map[string][]any{
		"coatcheck.Adoption":            {adoption, &adoption, []coatcheck.Adoption{adoption}},
		"coatcheck.Binding":             {coatcheck.Binding{}},
		"dbsc.Config":                   {dbsc.Config{}},
		"dbsc.Handler":                  {bound},
		"coatcheck.Config":              {coatcheck.Config{Events: func(coatcheck.Event) {}}},
		"store.ConflictError":           {&store.ConflictError{Now: rec}, store.ConflictError{Now: rec}},
		"store.EndedError":              {ended, *ended},
		"coatcheck.Event":               {coatcheck.Event{Kind: coatcheck.StoreError, Handle: rec.ID.Handle(), Err: ended}},
		"store.ID":                      {rec.ID, &rec.ID, []store.ID{rec.ID}, map[store.ID]int{rec.ID: 1}, struct{ I store.ID }{rec.ID}},
		"coatcheck.Info":                {infos[0], infos},
		"coatcheck.IrrevocableSessions": {coatcheck.IrrevocableSessions{}, coatcheck.StoreRevoker(st)},
		"coatcheck.Key":                 {inside},
		"coatcheck.Kind":                {coatcheck.Created},
		"coatcheck.Limit":               {coatcheck.Refuse},
		"coatcheck.Manager":             {m, struct{ M *coatcheck.Manager }{m}},
		"store.Record":                  {rec, &rec, seen.records},
		"coatcheck.Session":             {}, // printed above, inside its request
		"store.Commit":                  {store.Commit{Wait: time.Second, Replays: 1}},
		"store.Stats":                   {store.Stats{Sessions: 1}},
		"coatchecktest.Browser":         {visitor, &visitor.Client, visitor.Jar, visitor.Clone(), visitor.Clone().Jar},
		"coatchecktest.Events":          {&heard, heard.All()},
		"console.Config":                {operators, &operators},
		"console.Console":               {page},
		"console.Recorder":              {hour},
		"cookie.Cookie":                 {cookie.New[string]("c", cookie.Policy{}), cookie.NewSigned[string]("c", keyring, cookie.Policy{}), cookie.NewSealed[string]("c", keyring, cookie.Policy{})},
		"cookie.ForgedError":            {forged},
		"cookie.Keys":                   {keyring, *keyring},
		"cookie.Policy":                 {cookie.Policy{}},
		"cookie.Raw":                    {raw, *raw},
		"cookie.Sealer":                 {sealer, *sealer},
		"cookie.Subkey":                 {keyring.Derive("x")[0], keyring.Derive("x")},
		"memstore.Config":               {memstore.Config{}},
		"memstore.Store":                {st, plain},
		"sealedstore.Store":             {sealed, *sealed},
		"sqlstore.Config":               {sqlstore.Config{}},
		"sqlstore.Dialect":              {sqlstore.SQLite},
		"sqlstore.Store":                {sqlStore},
	}
	for _, name := range exportedTypes(t) {
		list, ok := values[name]
		if !ok {
			t.Errorf("api.txt has %s, of which the table has no value: add one that holds secrets", name)
		}
		for _, v := range list {
			out.WriteString("\n" + name + ": " + printed(v))
		}
	}

	secrets := map[string][]byte{"the token": []byte(token), "the token's random part": []byte(decoded(t, token))[5:23],
		"the session's value": []byte(private), "the secret": []byte("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa"), "a sealed cookie": []byte(value)[24:]}
	for i, r := range seen.records {
		secrets[fmt.Sprint("id ", i)] = r.ID[:]
	}
	for _, purpose := range []string{"x", "store-data", "cookie-sign", "cookie-encrypt", "cookie-sealer", "session-token:" + sidName, "dbsc-cookie:" + sidName, "dbsc-challenge:" + sidName} {
		key := keyring.Derive(purpose)[0]
		secrets["the key for "+purpose] = bytes.Clone(key.Key[:])
	}
	text := out.String()
	if len(text) < 50_000 || len(seen.records) < 2 && len(secrets) < 10 {
		t.Fatalf("%d bytes printed, %d secrets: the test proves nothing", len(text), len(secrets))
	}
	for what, secret := range secrets {
		for _, form := range spelled(secret) {
			if i := strings.Index(text, form); i >= 0 {
				section := text[:i]
				t.Errorf("%s is printed, as %q, in: %.60q", what, form, section[strings.LastIndex("\n"+section, "\n"):])
			}
		}
	}
}
