// Package cookie reads and writes HTTP cookies: plain ones, signed ones and
// sealed (encrypted) ones, each declared once with a type and a Policy.
//
//	var (
//		keys, keysErr = cookie.KeysFromEnv() // SECRET_KEY
//		user          = cookie.New[string]("username", cookie.Policy{MaxAge: time.Hour})
//		theme         = cookie.NewSigned[string]("theme", keys, cookie.Policy{MaxAge: 365 * 24 * time.Hour})
//		token         = cookie.NewSealed[Token]("__Host-token", keys, cookie.Policy{MaxAge: time.Minute})
//	)
//
//	err := theme.Set(w, "dark") // a Set-Cookie header, or an error and no header
//	t, err := theme.Get(r)      // the value, or ErrAbsent, ErrExpired, ErrForged
//	err = theme.Clear(w)        // deletes it in the browser
//
// Check keysErr and the Err of each cookie when the program starts.
//
// # Which one
//
// A plain cookie is for what may be read and changed by whoever has it. A signed
// one can be read, but changed by nobody without the keys. A sealed one can be
// neither read nor changed. All three can be copied, kept, and sent again until
// they expire, and clearing one asks the browser only. What must be ended by the
// server, counted exactly or kept small belongs into a session: package
// coatcheck.
//
// # What is refused
//
// Nothing is ever dropped or altered silently. What a browser would ignore, cut
// or refuse (RFC 6265bis) is an error when the cookie is declared or set. When
// reading, a cookie that comes twice, quoted, too long, or with bytes that no
// cookie may have is refused, and so is every signed or sealed value that is not
// byte for byte what this declaration issued: under one of these keys, for this
// name, application and kind, within its lifetime. There is no fallback to a
// weaker form.
//
// The wire format is docs/spec/cookie.md, frozen by the vectors in testvectors.
// It uses HMAC-SHA-256, HKDF and AES-256-GCM from the standard library and works
// with GODEBUG=fips140=only.
package cookie
