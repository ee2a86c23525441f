package cookie_test

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cookie"
)

// G13: no key in any log, error, %v or JSON.
func TestKeysAreRedacted(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, secretA)
	sub := keys.Derive("redaction")[0]
	type around struct {
		Keys *cookie.Keys
		Sub  cookie.Subkey
		Subs []cookie.Subkey
		keys *cookie.Keys
		byte cookie.Keys
		c    cookie.Cookie[string]
	}
	holder := around{keys, sub, []cookie.Subkey{sub}, keys, *keys, cookie.NewSigned[string]("c", keys, cookie.Policy{})}
	values := map[string]any{
		"*Keys": keys, "Keys": *keys, "Subkey": sub, "*Subkey": &sub, "[]Subkey": []cookie.Subkey{sub},
		"map": map[string]cookie.Subkey{"k": sub}, "struct": holder, "*struct": &holder, "Cookie": holder.c,
	}
	// What must not be seen: the secret, the keys, their ids, as text, in
	// hexadecimal, and as the decimal numbers of %v.
	var secrets []string
	for _, b := range [][]byte{[]byte(secretA), sub.Key[:], keys.Derive("cookie-sign")[0].Key[:]} {
		numbers := strings.Trim(fmt.Sprint(b[:6]), "[]")
		secrets = append(secrets, string(b[:8]), hex.EncodeToString(b[:6]), strings.ToUpper(hex.EncodeToString(b[:6])), numbers,
			strings.ReplaceAll(numbers, " ", ","), strings.ReplaceAll(numbers, " ", ", "))
	}
	check := func(how, out string) {
		for _, s := range secrets {
			if strings.Contains(out, s) {
				t.Errorf("%s shows a key: %s", how, out)
			}
		}
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%c", "%U", "%b", "%o", "%t"} {
			check(name+" "+verb, fmt.Sprintf(verb, v))
		}
		if j, err := json.Marshal(v); err == nil {
			check(name+" json", string(j))
		}
		if x, err := xml.Marshal(v); err == nil {
			check(name+" xml", string(x))
		}
		var text, js, gobbed bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v, slog.Group("g", "v", v))
		slog.New(slog.NewJSONHandler(&js, nil)).Info("x", "v", v, slog.Group("g", "v", v))
		check(name+" slog text", text.String())
		check(name+" slog json", js.String())
		if err := gob.NewEncoder(&gobbed).Encode(v); err == nil {
			check(name+" gob", gobbed.String())
		}
	}
	// Under %p fmt asks no methods and prints what is no pointer whole. Keys
	// hold nothing there all the same.
	check("%p", fmt.Sprintf("%p %p", keys, *keys))
	for _, v := range []any{keys, *keys, sub, &sub} {
		j, err := json.Marshal(v)
		if got := fmt.Sprintf("%s %v %#v %s", v, v, v, j); err != nil || got != `[redacted] [redacted] [redacted] "[redacted]"` {
			t.Errorf("%T: got %s, %v", v, got, err)
		}
	}
}
