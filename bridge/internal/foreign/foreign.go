// Package foreign is what reading sessions of other systems has in common.
package foreign

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/coatcheck/coatcheck/bridge"
	"github.com/coatcheck/coatcheck/cookie"
)

// Cookie returns the value of the request's cookie of that name: of several the first,
// as the other systems do.
func Cookie(r *http.Request, name string) (string, error) {
	c, err := r.Cookie(name)
	if err != nil || c.Value == "" {
		return "", bridge.ErrAbsent
	}
	if len(c.Value) > bridge.MaxCookie {
		return "", bridge.Refused("a cookie of more than %d bytes", bridge.MaxCookie)
	}
	return c.Value, nil
}

// Values makes JSON of what a session holds, one value at a time: what cannot be read
// is left out and named.
func Values[T any](tree map[string]T, toJSON func(T) (json.RawMessage, error)) (values map[string]json.RawMessage, refused map[string]string) {
	values = make(map[string]json.RawMessage, len(tree))
	for name, v := range tree {
		raw, err := toJSON(v)
		if err != nil {
			if refused == nil {
				refused = make(map[string]string)
			}
			refused[name] = err.Error()
			if why := (*bridge.RefusedError)(nil); errors.As(err, &why) {
				refused[name] = why.What
			}
			continue
		}
		values[name] = raw
	}
	return values, refused
}

// User gives the user that a value names: a text, or a whole number.
func User(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var n int64
	if json.Unmarshal(raw, &n) == nil {
		return strconv.FormatInt(n, 10), nil
	}
	return "", bridge.Refused("a user that is neither a text nor a whole number")
}

var errNumber = errors.New("bridge: the user is no whole number, as the other application wants it")

// UserValue is the way back.
func UserValue(user string, number bool) (json.RawMessage, error) {
	if number {
		n, err := strconv.ParseInt(user, 10, 64)
		if err != nil {
			return nil, errNumber
		}
		return strconv.AppendInt(nil, n, 10), nil
	}
	return json.Marshal(user)
}

// Write puts a cookie into the answer. A lifetime of zero is until the browser closes.
func Write(w http.ResponseWriter, c *cookie.Raw, value string, left time.Duration) error {
	return c.Write(w.Header(), value, min(left, cookieAge))
}

// cookieAge is what browsers keep a cookie for at most.
const cookieAge = 400 * 24 * time.Hour

// Clear takes the cookie from the browser.
func Clear(w http.ResponseWriter, c *cookie.Raw) { cookie.Put(w.Header(), c.Expired()) }
