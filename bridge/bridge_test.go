package bridge_test

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge"
)

// What a foreign session holds is a secret to logs, whatever the verb.
func TestSessionPrintsNothing(t *testing.T) {
	t.Parallel()
	s := bridge.Session{ID: "secret", User: "secret", CSRF: "secret", Values: map[string]json.RawMessage{"secret": nil}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, s) + fmt.Sprintf(verb, &s); strings.Contains(text, "secret") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	if b, err := json.Marshal([]bridge.Session{s}); err != nil || strings.Contains(string(b), "secret") {
		t.Errorf("JSON is %s, %v", b, err)
	}
}

func TestInflateHasABound(t *testing.T) {
	t.Parallel()
	deflate := func(n int) []byte {
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		z.Write(make([]byte, n))
		z.Close()
		return b.Bytes()
	}
	if b, err := bridge.Inflate(deflate(1000), 1000); err != nil || len(b) != 1000 {
		t.Errorf("at the bound: %d bytes, %v", len(b), err)
	}
	var refused *bridge.RefusedError
	for name, b := range map[string][]byte{
		"beyond the bound": deflate(1001), "a bomb": deflate(64 << 20),
		"not zlib": []byte("{}"), "cut": deflate(1000)[:8], "nothing": nil,
	} {
		if _, err := bridge.Inflate(b, 1000); !errors.As(err, &refused) {
			t.Errorf("%s: %v; want a RefusedError", name, err)
		}
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	t.Parallel()
	setting := &bridge.SettingError{Setting: "x.Config.Salt", Want: "the default"}
	if !errors.Is(setting, bridge.ErrForged) || errors.Is(setting, bridge.ErrAbsent) {
		t.Error("a SettingError is an ErrForged and nothing else")
	}
	for _, err := range []error{bridge.ErrAbsent, bridge.ErrExpired, bridge.ErrForged, bridge.ErrEnded, setting, bridge.Refused("a class")} {
		if !bridge.Skips(fmt.Errorf("w: %w", err)) {
			t.Errorf("%v ends a walk", err)
		}
	}
	if bridge.Skips(errors.New("connection refused")) {
		t.Error("an outage passes for one session's fault")
	}
}
