package flask_test

import (
	"bytes"
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/bridge/flask"
)

// byHand reads the same cookie as Go programs that do it by hand do: one HMAC under
// a key that is derived once, zlib, and encoding/json. No module that reads Flask's
// cookies could be had to measure against.
func byHand(key []byte, value string) (map[string]any, error) {
	at := strings.LastIndexByte(value, '.')
	if at < 0 {
		return nil, errors.New("no signature")
	}
	sig, err := base64.RawURLEncoding.DecodeString(value[at+1:])
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha1.New, key)
	mac.Write([]byte(value[:at]))
	if !hmac.Equal(mac.Sum(nil), sig) {
		return nil, errors.New("forged")
	}
	text := value[:strings.LastIndexByte(value[:at], '.')]
	rest, compressed := strings.CutPrefix(text, ".")
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil {
		return nil, err
	}
	if compressed {
		z, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		if b, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	}
	var values map[string]any
	return values, json.Unmarshal(b, &values)
}

func BenchmarkByHand(b *testing.B) {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte("cookie-session"))
	key := mac.Sum(nil)
	value := tenValues(b, source(b, flask.Config{}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := byHand(key, value); err != nil {
			b.Fatal(err)
		}
	}
}
