package dbsc

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"sync"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/binding"
)

// The value of the bound cookie and the challenges are authenticated under the
// keyring, so that neither needs a store (docs/spec/record.md, R9 and R10):
//
//	cookie     1 version | 4 key id | 10 binding | 5 issued, s  | 16 MAC = 36 bytes
//	challenge  1 version | 4 key id |              8 issued, µs | 20 MAC = 33 bytes
const (
	tagVersion    = 1
	cookieHead    = 1 + 4 + binding.IDSize + 5
	cookieSize    = cookieHead + 16
	cookieText    = cookieSize / 3 * 4
	challengeHead = 1 + 4 + 8
	challengeSize = challengeHead + 20
	challengeText = challengeSize / 3 * 4

	maxSubject = 1 + sha256.Size
)

// skew is how far ahead of ours the clock of another server of the application may
// be.
const skew = time.Minute

var base64url = base64.RawURLEncoding.Strict()

// A tagger makes and checks MACs under the keyring's keys for one purpose; the
// first signs.
type tagger []*tagKey

type tagKey struct {
	id   [4]byte
	macs sync.Pool // of *macer
}

// A macer is keyed once and reset for each use. It has room for what it works on,
// which would otherwise be moved to the heap.
type macer struct {
	hash hash.Hash
	in   [maxSubject + cookieHead]byte
	sum  [sha256.Size]byte
}

func newTagger(keys *cookie.Keys, purpose string) tagger {
	var t tagger
	for _, sub := range keys.Derive(purpose) {
		key := &tagKey{id: sub.ID}
		secret := sub.Key
		key.macs.New = func() any { return &macer{hash: hmac.New(sha256.New, secret[:])} }
		t = append(t, key)
	}
	return t
}

// sum writes the MAC of subject and head into mac.
func (k *tagKey) sum(subject, head, mac []byte) {
	m := k.macs.Get().(*macer)
	m.hash.Reset()
	n := copy(m.in[:], subject)
	n += copy(m.in[n:], head)
	m.hash.Write(m.in[:n])
	m.hash.Sum(m.sum[:0])
	copy(mac, m.sum[:])
	k.macs.Put(m)
}

// genuine reports whether the MAC at the end of b is that of a key of ours.
func (t tagger) genuine(subject, b []byte, head int) bool {
	for _, k := range t {
		if string(k.id[:]) != string(b[1:5]) {
			continue
		}
		var mac [cookieSize]byte
		want := mac[:len(b)-head]
		k.sum(subject, b[:head], want)
		if subtle.ConstantTimeCompare(want, b[head:]) == 1 {
			return true
		}
	}
	return false
}

// bind returns the value of a bound cookie.
func (t tagger) bind(id [binding.IDSize]byte, now time.Time) string {
	var b [cookieSize]byte
	key := t[0]
	b[0] = tagVersion
	copy(b[1:], key.id[:])
	copy(b[5:], id[:])
	at := uint64(now.Unix())
	b[15] = byte(at >> 32)
	binary.BigEndian.PutUint32(b[16:], uint32(at))
	key.sum(nil, b[:cookieHead], b[cookieHead:])
	return base64url.EncodeToString(b[:])
}

// bound checks the value of a bound cookie and returns which binding it proves,
// and when it was issued. It allocates nothing.
func (t tagger) bound(value string) (id [binding.IDSize]byte, issued time.Time, ok bool) {
	if len(value) != cookieText {
		return id, issued, false
	}
	var text [cookieText]byte
	var b [cookieSize]byte
	copy(text[:], value)
	n, err := base64url.Decode(b[:], text[:])
	if err != nil || n != cookieSize || b[0] != tagVersion || !t.genuine(nil, b[:], cookieHead) {
		return id, issued, false
	}
	copy(id[:], b[5:])
	at := int64(b[15])<<32 | int64(binary.BigEndian.Uint32(b[16:]))
	return id, time.Unix(at, 0), true
}

// What a challenge is for. It is bound to the session, or to the binding.
const (
	forRegistration = 'r'
	forRefresh      = 'f'
)

func subjectOf(kind byte, id []byte) []byte {
	return append(append(make([]byte, 0, maxSubject), kind), id...)
}

// challenge returns a challenge.
func (t tagger) challenge(subject []byte, now time.Time) string {
	var b [challengeSize]byte
	key := t[0]
	b[0] = tagVersion
	copy(b[1:], key.id[:])
	binary.BigEndian.PutUint64(b[5:], uint64(now.UnixMicro()))
	key.sum(subject, b[:challengeHead], b[challengeHead:])
	return base64url.EncodeToString(b[:])
}

// challenged checks a challenge and returns when it was issued.
func (t tagger) challenged(subject []byte, value string) (issued time.Time, ok bool) {
	if len(value) != challengeText {
		return issued, false
	}
	var b [challengeSize]byte
	n, err := base64url.Decode(b[:], []byte(value))
	if err != nil || n != challengeSize || b[0] != tagVersion || !t.genuine(subject, b[:], challengeHead) {
		return issued, false
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b[5:]))), true
}

// current reports whether what was issued then is valid now, for so long.
func current(issued, now time.Time, life time.Duration) bool {
	return !issued.After(now.Add(skew)) && now.Before(issued.Add(life))
}
