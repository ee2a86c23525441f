package cookie_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// vectorNow is when the vectors were issued: 2027-01-15 08:00:00 UTC.
const vectorNow = 1_800_000_000

// newKeyVectors returns what keys.json must have.
func newKeyVectors(t *testing.T) []keyVector {
	var vs []keyVector
	add := func(id, says, secret, app, purpose string) {
		kid, key := reference{label: "coatcheck/v1", secret: secret, app: app, purpose: purpose}.keys(t)
		vs = append(vs, keyVector{id, says, secret, app, purpose, hex.EncodeToString(kid), hex.EncodeToString(key)})
	}
	add("key-sign", "the key of signed cookies", secretA, "", "cookie-sign")
	add("key-encrypt", "the key of sealed cookies", secretA, "", "cookie-encrypt")
	add("key-application", "an application of its own", secretA, "shop", "cookie-sign")
	add("key-application-utf8", "its name is bytes, here of UTF-8", secretA, "Läden", "cookie-sign")
	add("key-ab-c", "lengths keep names apart", secretA, "c", "ab")
	add("key-a-bc", "lengths keep names apart", secretA, "bc", "a")
	add("key-other-secret", "another secret", secretB, "", "cookie-sign")
	add("key-hex-is-text", "a secret is its bytes, never decoded", "9f86d081884c7d659a2feaa0c55ad015", "", "cookie-sign")
	return vs
}

// newVectors returns what signed.json or sealed.json must have.
func newVectors(t *testing.T, version byte) []vector {
	kind, other := "signed", reference{kind: "sealed", purpose: "cookie-encrypt"}
	if version == 2 {
		kind, other = "sealed", reference{kind: "signed", purpose: "cookie-sign"}
	}
	var vs []vector
	// Each case changes the frame, or the reader, of this good one.
	frame := reference{version: version, secret: secretA, name: "prefs", issued: vectorNow, ttl: 3600}
	reader := vector{Secrets: []string{secretA}, Name: "prefs", MaxAge: 3600, Now: vectorNow}
	const payload = `{"theme":"dark"}`
	add := func(id, says, rules string, v vector, r reference, value string) {
		v.ID, v.Says, v.Rules, v.Value = kind+"-"+id, says, strings.Fields(rules), value
		if version == 2 && v.Error == "" {
			v.Subkey = hex.EncodeToString(r.subkey(t))
		}
		vs = append(vs, v)
	}
	good := func(id, says, rules, payload string, change func(*reference, *vector)) {
		r, v := frame, reader
		change(&r, &v)
		v.Payload = payload
		add(id, says, rules, v, r, r.value(t, payload))
	}
	bad := func(id, says, rules, reason string, change func(*reference, *vector)) {
		r, v := frame, reader
		v.Error, v.Reason = "forged", reason
		if reason == "expired" {
			v.Error, v.Reason = reason, ""
		}
		change(&r, &v)
		add(id, says, rules, v, r, r.value(t, payload))
	}
	bent := func(id, says, rules, reason string, change func(frame []byte) []byte) {
		v := reader
		v.Error, v.Reason = "forged", reason
		add(id, says, rules, v, frame, base64.RawURLEncoding.EncodeToString(change(frame.frame(t, payload))))
	}
	spelt := func(id, says, reason string, change func(value string) string) {
		v := reader
		v.Error, v.Reason = "forged", reason
		add(id, says, "C7", v, frame, change(frame.value(t, payload)))
	}
	same := func(*reference, *vector) {}

	good("issue-object", "an object, just issued", "C6 C8 C9 C11", payload, same)
	good("issue-string", "a string", "C11", `"dark"`, same)
	good("issue-zero", "the shortest payload", "C11", `0`, same)
	good("issue-text", "text beyond ASCII, as encoding/json writes it", "C11", `"ä\u003c€\u003e😀 \"\\"`, same)
	good("issue-long", "a payload of 2,000 bytes and more", "C14", `"`+strings.Repeat("0123456789", 200)+`"`, same)
	good("issue-prefix", "a name with a prefix", "C5", payload, func(r *reference, v *vector) { r.name, v.Name = "__Host-Http-prefs", "__Host-Http-prefs" })
	good("issue-application", "an application of its own", "C3 C5", payload, func(r *reference, v *vector) { r.app, v.Application = "shop", "shop" })
	good("space", "JSON with white space, as others may write it", "C11", `{ "theme" : "dark" }`, same)
	good("fallback", "made under the second secret", "C4", payload, func(_ *reference, v *vector) { v.Secrets, v.Fallback = []string{secretB, secretA}, true })
	good("same-id-first", "two secrets with one id: the first", "C4", payload, func(r *reference, v *vector) { r.secret, v.Secrets = sameID[0], sameID })
	good("same-id-second", "two secrets with one id: the second", "C4", payload, func(r *reference, v *vector) { r.secret, v.Secrets, v.Fallback = sameID[1], sameID, true })
	good("skew", "issued 60 s from now", "C10", payload, func(r *reference, v *vector) { v.Now = r.issued - 60 })
	good("last-second", "in the last second of its life", "C10", payload, func(r *reference, v *vector) { v.Now = r.issued + 3599 })
	good("longer-config", "the declaration now allows more; the frame does not", "C10", payload, func(r *reference, v *vector) { v.Now, v.MaxAge = r.issued+3599, 7200 })
	good("shorter-config", "the declaration now allows less; still within", "C10", payload, func(r *reference, v *vector) { v.Now, v.MaxAge = r.issued+599, 600 })
	good("largest-ttl", "the longest stated life", "C10", payload, func(r *reference, v *vector) { r.ttl = 1<<32 - 1 })
	good("hour-edge", "issued in the last second of an hour, read in the next", "C9", payload, func(r *reference, v *vector) { r.issued, v.Now = vectorNow-1, vectorNow+10 })
	good("late-time", "an issue time of more than 32 bits", "C6", payload, func(r *reference, v *vector) { r.issued, v.Now = 1<<32+5, 1<<32+5 })

	bad("expired", "its life is over", "C10", "expired", func(r *reference, v *vector) { v.Now = r.issued + 3600 })
	bad("expired-by-config", "longer than the declaration now allows", "C10", "expired", func(r *reference, v *vector) { v.Now, v.MaxAge = r.issued+600, 600 })
	bad("expired-config-longer", "the declaration now allows more; the frame does not", "C10", "expired", func(r *reference, v *vector) { v.Now, v.MaxAge = r.issued+3600, 7200 })
	bad("no-life", "a life of 0 s", "C10", "expired", func(r *reference, v *vector) { r.ttl = 0 })
	bad("future", "issued 61 s from now", "C10", "future", func(r *reference, v *vector) { v.Now = r.issued - 61 })
	bad("far-future", "the largest issue time", "C10", "future", func(r *reference, v *vector) { r.issued = 1<<40 - 1 })
	bad("name", "made for another name", "C5", "authentication", func(r *reference, v *vector) { r.name = "prefs2" })
	bad("name-case", "made for a name in another case", "C5", "authentication", func(r *reference, v *vector) { r.name = "Prefs" })
	bad("application", "made for another application", "C3 C5", "authentication", func(r *reference, v *vector) { r.app = "shop" })
	bad("application-missing", "made for the default application", "C3 C5", "authentication", func(r *reference, v *vector) { v.Application = "shop" })
	bad("boundary", "(ab, c) is not (a, bc)", "C1 C5", "authentication", func(r *reference, v *vector) { r.app, r.name, v.Application, v.Name = "ab", "c", "a", "bc" })
	bad("purpose", "made under the key of another purpose", "C3 C5", "authentication", func(r *reference, v *vector) { r.purpose = "session" })
	bad("other-kind", "the other kind under this version", "C5 C16", "authentication", func(r *reference, v *vector) { r.kind, r.purpose = other.kind, other.purpose })
	bad("other-version", "this kind under the other version", "C6 C16", "version", func(r *reference, v *vector) {
		r.version, r.kind, r.purpose = 3-version, kind, map[byte]string{1: "cookie-sign", 2: "cookie-encrypt"}[version]
	})
	bad("kind", "the other kind altogether", "C6 C16", "version", func(r *reference, v *vector) { r.version, r.kind, r.purpose = 3-version, other.kind, other.purpose })
	bad("stranger", "made under a secret that is not in the ring", "C4", "unknown key", func(r *reference, v *vector) { r.secret = secretB })
	bad("stranger-with-id", "made under such a secret, with the id of ours", "C4", "authentication", func(r *reference, v *vector) {
		r.secret = secretB
		r.kid, _ = reference{label: "coatcheck/v1", secret: secretA}.keys(t)
	})

	bent("bit-id", "a bit of the key id changed", "C6", "unknown key", flip(1))
	bent("bit-issued", "the issue time changed by a second", "C8 C9", "authentication", flip(9))
	bent("bit-ttl", "the life changed by a second", "C8 C9", "authentication", flip(13))
	bent("bit-body-first", "the first byte of the body changed", "C8 C9", "authentication", flip(14))
	bent("bit-body-middle", "a byte of the body changed", "C8 C9", "authentication", flip(30))
	bent("bit-last", "the last byte changed", "C8 C9", "authentication", flip(-1))
	bent("cut", "the last byte cut off", "C8 C9", "authentication", func(b []byte) []byte { return b[:len(b)-1] })
	bent("longer", "a byte more", "C8 C9", "authentication", func(b []byte) []byte { return append(b, 0) })
	bent("header-only", "a header without a body", "C6", "encoding", func(b []byte) []byte { return b[:14] })
	bent("version-0", "version 0", "C18", "version", func(b []byte) []byte { b[0] = 0; return b })
	bent("version-3", "version 3", "C18", "version", func(b []byte) []byte { b[0] = 3; return b })
	bent("version-255", "version 255", "C18", "version", func(b []byte) []byte { b[0] = 255; return b })

	spelt("empty", "nothing", "encoding", func(string) string { return "" })
	spelt("padding", "padding", "encoding", func(s string) string { return s + "=" })
	spelt("character-more", "a character that belongs to no byte", "encoding", func(s string) string { return s[:len(s)/4*4] + "A" })
	spelt("alphabet", "a character of the other base64 alphabet", "encoding", func(s string) string { return s[:20] + "+" + s[21:] })
	spelt("newline", "a newline inside", "encoding", func(s string) string { return s[:20] + "\n" + s[20:] })
	spelt("dot", "a dot inside", "encoding", func(s string) string { return s[:20] + "." + s[20:] })
	spelt("unused-bits", "unused bits set", "encoding", func(string) string {
		s := frame.value(t, `"`+strings.Repeat("x", (3-(14+map[byte]int{1: 32, 2: 28}[version]+2)%3)+1)+`"`)
		if len(s)%4 != 2 {
			t.Fatalf("want a value with 4 unused bits, got length %d", len(s))
		}
		return s[:len(s)-1] + string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])+1])
	})
	return vs
}

// flip changes the lowest bit of the byte at i; -1 is the last.
func flip(i int) func([]byte) []byte {
	return func(b []byte) []byte {
		if i < 0 {
			i += len(b)
		}
		b[i] ^= 1
		return b
	}
}
