package benchmarks

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v3/middleware/encryptcookie"
	"github.com/gorilla/securecookie"

	"github.com/coatcheck/coatcheck/cookie"
)

// A Codec is one way to keep a string in a cookie, the header included: Set
// writes a Set-Cookie line, Get finds the cookie of a request and checks it.
type Codec struct {
	Name, Kind string // Kind is Signed or Sealed
	Set        func(w http.ResponseWriter, value string) error
	Get        func(r *http.Request) (string, error)
}

// The kinds of codecs.
const (
	Signed = "signed"
	Sealed = "sealed"
)

// codecName is the name of every cookie here.
const codecName = "data"

// Codecs returns all of them, ours first. The key of each is ready.
func Codecs() ([]Codec, error) {
	keys, err := cookie.NewKeys(secret)
	if err != nil {
		return nil, err
	}
	policy := cookie.Policy{MaxAge: time.Hour, SameSite: http.SameSiteLaxMode}
	signed := cookie.NewSigned[string](codecName, keys, policy)
	sealed := cookie.NewSealed[string](codecName, keys, policy)
	if err := errors.Join(signed.Err(), sealed.Err()); err != nil {
		return nil, err
	}
	floor, err := floorSealed()
	if err != nil {
		return nil, err
	}
	return []Codec{
		{"coatcheck", Signed, signed.Set, signed.Get},
		{"coatcheck", Sealed, sealed.Set, sealed.Get},
		floorSigned(), floor,
		// As its README: a hash key, and for encryption a block key as well.
		secureCookie(Signed, securecookie.New([]byte(secret), nil)),
		secureCookie(Sealed, securecookie.New([]byte(secret), []byte(secret2))),
		encryptCookie(),
	}, nil
}

// putCookie is what users of the other codecs write.
func putCookie(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: codecName, Value: value, Path: "/", MaxAge: 3600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func secureCookie(kind string, codec *securecookie.SecureCookie) Codec {
	return Codec{"securecookie", kind,
		func(w http.ResponseWriter, value string) error {
			text, err := codec.Encode(codecName, value)
			if err == nil {
				putCookie(w, text)
			}
			return err
		},
		func(r *http.Request) (value string, err error) {
			c, err := r.Cookie(codecName)
			if err == nil {
				err = codec.Decode(codecName, c.Value, &value)
			}
			return value, err
		},
	}
}

// encryptCookie is fiber's codec behind net/http's cookies.
func encryptCookie() Codec {
	key := base64.StdEncoding.EncodeToString([]byte(secret))
	return Codec{"encryptcookie", Sealed,
		func(w http.ResponseWriter, value string) error {
			text, err := encryptcookie.EncryptCookie(codecName, value, key)
			if err == nil {
				putCookie(w, text)
			}
			return err
		},
		func(r *http.Request) (string, error) {
			c, err := r.Cookie(codecName)
			if err != nil {
				return "", err
			}
			return encryptcookie.DecryptCookie(codecName, c.Value, key)
		},
	}
}

// The floor: time, value and MAC, or nonce and ciphertext, in base64, with one
// key that is ready, in a line with fixed attributes, in memory that is used
// again. What it gives back are the only allocations.

const codecTail = "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"

var errFloor = errors.New("forged")

// A floorCodec is what one call uses; a pool keeps them.
type floorCodec struct {
	payload, line []byte
	mac           hash.Hash
}

// put writes the payload as a cookie.
func (c *floorCodec) put(w http.ResponseWriter) {
	line := append(c.line[:0], codecName...)
	line = append(line, '=')
	line = base64.RawURLEncoding.AppendEncode(line, c.payload)
	c.line = append(line, codecTail...)
	w.Header()["Set-Cookie"] = []string{string(c.line)}
}

// take reads the payload from the cookie.
func (c *floorCodec) take(r *http.Request) (err error) {
	for _, line := range r.Header["Cookie"] {
		if text, ok := strings.CutPrefix(line, codecName+"="); ok {
			c.line = append(c.line[:0], text...)
			c.payload, err = base64.RawURLEncoding.AppendDecode(c.payload[:0], c.line)
			return err
		}
	}
	return http.ErrNoCookie
}

// sum appends the MAC of b to it.
func (c *floorCodec) sum(b []byte) []byte {
	c.mac.Reset()
	c.mac.Write(b)
	return c.mac.Sum(b)
}

func floorSigned() Codec {
	pool := sync.Pool{New: func() any { return &floorCodec{mac: hmac.New(sha256.New, []byte(secret))} }}
	return Codec{"floor", Signed,
		func(w http.ResponseWriter, value string) error {
			c := pool.Get().(*floorCodec)
			defer pool.Put(c)
			c.payload = binary.LittleEndian.AppendUint64(c.payload[:0], uint64(time.Now().Unix()))
			c.payload = c.sum(append(c.payload, value...))
			c.put(w)
			return nil
		},
		func(r *http.Request) (string, error) {
			c := pool.Get().(*floorCodec)
			defer pool.Put(c)
			if err := c.take(r); err != nil || len(c.payload) < 8+sha256.Size {
				return "", errFloor
			}
			n := len(c.payload) - sha256.Size
			c.line = c.sum(append(c.line[:0], c.payload[:n]...))
			if !hmac.Equal(c.line[n:], c.payload[n:]) || int64(binary.LittleEndian.Uint64(c.payload)) < time.Now().Unix()-3600 {
				return "", errFloor
			}
			return string(c.payload[8:n]), nil
		},
	}
}

func floorSealed() (Codec, error) {
	block, err := aes.NewCipher([]byte(secret))
	if err != nil {
		return Codec{}, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return Codec{}, err
	}
	name := []byte(codecName)
	pool := sync.Pool{New: func() any { return new(floorCodec) }}
	return Codec{"floor", Sealed,
		func(w http.ResponseWriter, value string) error {
			c := pool.Get().(*floorCodec)
			defer pool.Put(c)
			c.line = append(c.line[:0], value...)
			c.payload = gcm.Seal(c.payload[:0], nil, c.line, name)
			c.put(w)
			return nil
		},
		func(r *http.Request) (string, error) {
			c := pool.Get().(*floorCodec)
			defer pool.Put(c)
			if err := c.take(r); err != nil {
				return "", err
			}
			b, err := gcm.Open(c.payload[:0], nil, c.payload, name)
			return string(b), err
		},
	}, nil
}
