package django

import (
	"encoding/json"
	"time"
)

// Sign signs the contents of a cookie, whatever they are.
func Sign(secret string, data []byte, now time.Time) string {
	return signer{[][]byte{[]byte(secret)}, saltCookies}.sign(data, now)
}

// Encode writes values as a cookie has them before they are signed.
func Encode(v map[string]json.RawMessage) ([]byte, error) { return encodeJSON(v) }
