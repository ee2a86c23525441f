//go:build linux

package gorilla_test

import (
	"flag"
	"maps"
	"math/big"
	"testing"
	"time"

	"github.com/boj/redistore"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/coatcheck/coatcheck/integration/bridges/internal/visit"
)

var update = flag.Bool("update", false, "write testvectors/bridge/gorilla.json anew")

// TestVectors makes the vectors, or reads the cookies that are there as gorilla does.
func TestVectors(t *testing.T) {
	if *update {
		makeVectors(t)
	}
	codecs := securecookie.CodecsFromPairs(hash1, block1, hash2)
	for _, c := range codecs {
		c.(*securecookie.SecureCookie).MaxAge(0)
	}
	for _, v := range visit.ReadVectors(t, "gorilla.json") {
		var dst any = new(map[any]any)
		if v.Key != "" {
			dst = new(string)
		}
		if v.Settings["Serializer"] == "JSON" {
			continue
		}
		if err := securecookie.DecodeMulti(v.Cookies[0], v.Cookies[1], dst, codecs...); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}

func makeVectors(t *testing.T) {
	var list []visit.Vector
	add := func(title string, codec securecookie.Codec, settings map[string]string, values map[any]any, refused ...string) *visit.Vector {
		value, err := codec.Encode(name, values)
		if err != nil {
			t.Fatal(err)
		}
		plain := make(map[string]any)
		for k, v := range values {
			if s, ok := k.(string); ok {
				plain[s] = v
			} else {
				plain["7"] = v
			}
		}
		for _, r := range refused {
			delete(plain, r)
		}
		user, _ := values["user"].(string)
		list = append(list, visit.Vector{Name: title, Settings: settings, Cookies: []string{name, value}, Made: time.Now().Unix(), User: user, Values: visit.JSONOf(t, plain), Refused: refused})
		return &list[len(list)-1]
	}
	codecs := securecookie.CodecsFromPairs(hash1, block1, hash2)
	all := make(map[any]any)
	for k, v := range every {
		all[k] = v
	}
	add("every type, encrypted", codecs[0], nil, all)
	add("every type, signed", codecs[1], nil, all)
	add("nobody", codecs[1], nil, map[any]any{})
	add("a type of its own, a key that is a number", codecs[1], nil, map[any]any{"user": "u", "big": big.NewInt(7), 7: "seven"}, "big")
	value, err := codecs[1].(*securecookie.SecureCookie).SetSerializer(securecookie.JSONEncoder{}).Encode(name, map[string]any{"user": "u", "n": 1})
	if err != nil {
		t.Fatal(err)
	}
	list = append(list, visit.Vector{Name: "JSON", Settings: map[string]string{"Serializer": "JSON"}, Cookies: []string{name, value}, Made: time.Now().Unix(), User: "u", Values: visit.JSONOf(t, map[string]any{"user": "u", "n": 1})})

	id, err := codecs[0].Encode(name, "GZPKMCDCUBIDLXZHLQDAFBCZX6JSBKFHTPI2VPZYZYKXVEFTQ4IQ")
	if err != nil {
		t.Fatal(err)
	}
	for by, serializer := range map[string]redistore.SessionSerializer{"Gob": redistore.GobSerializer{}, "JSON": redistore.JSONSerializer{}} {
		s := sessions.NewSession(nil, name)
		maps.Copy(s.Values, map[any]any{"user": "u", "n": 1.5, "l": []string{"a"}})
		record, err := serializer.Serialize(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, visit.Vector{Name: "redistore " + by, Settings: map[string]string{"RecordSerializer": by}, Cookies: []string{name, id}, Made: time.Now().Unix(), User: "u",
			Key: "session_GZPKMCDCUBIDLXZHLQDAFBCZX6JSBKFHTPI2VPZYZYKXVEFTQ4IQ", Record: record, Values: visit.JSONOf(t, map[string]any{"user": "u", "n": 1.5, "l": []string{"a"}})})
	}
	visit.WriteVectors(t, "gorilla.json", list)
}
