package dbsc

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/coatcheck/coatcheck/internal/binding"
)

// maxProof bounds a proof. One of a 4,096-bit RSA key has about 2,000 bytes, all
// others are smaller.
const maxProof = 4096

// A proof is a JWS in compact form (RFC 7515 §3.1) as the browser makes it:
//
//	header   {"typ":"dbsc+jwt","alg":"ES256","jwk":{…}}   the jwk in a registration only
//	payload  {"jti":"the challenge"}                      and "aud", of some
type proof struct {
	algorithm byte
	key       []byte // of its jwk; nil without
	challenge string
	audiences []string
	signed    []byte
	signature []byte
}

// readProof takes the proof out of a request. reasonNoProof says that there is
// none.
func readProof(h http.Header) (proof, error) {
	lines := h["Secure-Session-Response"]
	switch {
	case len(lines) == 0:
		return proof{}, reasonNoProof
	case len(lines) > 1:
		return proof{}, reasonSeveral
	}
	return parseProof(unquoted(lines[0]))
}

// unquoted is a value that the draft has as a string of RFC 9651 and Chromium
// sends bare. What may stand in it needs no escape.
func unquoted(s string) string {
	s = strings.Trim(s, " \t")
	if n := len(s); n >= 2 && s[0] == '"' && s[n-1] == '"' {
		s = s[1 : n-1]
	}
	return s
}

// parseProof checks the form of a proof, and no signature.
func parseProof(s string) (p proof, err error) {
	switch {
	case s == "":
		return p, reasonNoProof
	case len(s) > maxProof:
		return p, reasonTooLong
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return p, reasonMalformed
	}
	var raw [3][]byte
	for i, part := range parts {
		// The decoder skips line ends, and nothing else.
		if raw[i], err = base64url.DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return p, reasonMalformed
		}
	}
	p.signed, p.signature = []byte(s[:len(parts[0])+1+len(parts[1])]), raw[2]
	if err = p.readHeader(raw[0]); err != nil {
		return p, err
	}
	return p, p.readPayload(raw[1])
}

func (p *proof) readHeader(raw []byte) error {
	header, err := members(raw)
	if err != nil {
		return reasonMalformed
	}
	if typ, _ := header.text("typ"); typ != "dbsc+jwt" {
		return reasonType
	}
	if _, has := header["crit"]; has {
		return reasonCritical
	}
	switch alg, _ := header.text("alg"); alg {
	case "ES256":
		p.algorithm = binding.ES256
	case "RS256":
		p.algorithm = binding.RS256
	default:
		return reasonAlgorithm
	}
	for _, other := range [...]string{"jku", "x5u", "x5c"} { // keys from elsewhere
		if _, has := header[other]; has {
			return reasonEmbedded
		}
	}
	if jwk, has := header["jwk"]; has {
		p.key, err = parseKey(p.algorithm, jwk)
	}
	return err
}

func (p *proof) readPayload(raw []byte) error {
	payload, err := members(raw)
	if err != nil {
		return reasonMalformed
	}
	p.challenge, _ = payload.text("jti") // none is none of ours
	aud, has := payload["aud"]
	switch {
	case !has:
		return nil
	case json.Unmarshal(aud, &p.audiences) == nil && len(p.audiences) > 0:
		return nil
	}
	one, ok := payload.text("aud")
	if !ok || one == "" {
		return reasonAudience
	}
	p.audiences = []string{one}
	return nil
}

// verify checks the signature under a key.
func (p *proof) verify(key []byte) error {
	if !verify(p.algorithm, key, p.signed, p.signature) {
		return reasonSignature
	}
	return nil
}

// An object is a JSON object. Names match exactly, which they do not where
// encoding/json fills a struct.
type object map[string]json.RawMessage

var errObject = errors.New("dbsc: not one JSON object with each name once")

// members reads one JSON object and nothing else.
func members(raw []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errObject
	}
	o := make(object)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errObject
		}
		var value json.RawMessage
		if _, twice := o[name]; twice || d.Decode(&value) != nil {
			return nil, errObject
		}
		o[name] = value
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, errObject
	}
	if len(bytes.TrimSpace(raw[d.InputOffset():])) > 0 {
		return nil, errObject
	}
	return o, nil
}

// text returns a member that is a string.
func (o object) text(name string) (string, bool) {
	raw, has := o[name]
	if !has || len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	return s, json.Unmarshal(raw, &s) == nil
}

// bytes returns a member that is base64url.
func (o object) bytes(name string) ([]byte, bool) {
	s, ok := o.text(name)
	if !ok || strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base64url.DecodeString(s)
	return b, err == nil
}
