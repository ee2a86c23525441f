package benchmarks

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Floor is the same work written straight down for one case: a cookie with a
// random token, its SHA-256 as the key of a sharded map, a record of
// length-prefixed values, an absolute and no idle end. It has no features: no
// context, no replay, no events, no user index. It is the edge of what is
// possible, not a competitor.
var Floor = Library{Name: "floor", New: func(b Backend) (App, error) {
	if b.Kind != Memory {
		return unsupported(b)
	}
	s := newFloorStore()
	return web{Handler: routes{
		"/untouched": untouched,
		"/read": func(w http.ResponseWriter, r *http.Request) {
			data, ok := s.load(r.Header)
			value, found := findValue(data, textName)
			if !ok || !found || string(value) != textValue {
				answer(w, "")
				return
			}
			w.Write(okBody)
		},
		"/count": func(w http.ResponseWriter, r *http.Request) {
			n, ok := s.count(r.Header)
			if !ok {
				answer(w, "")
				return
			}
			answerNumber(w, n)
		},
		"/set": func(w http.ResponseWriter, r *http.Request) {
			s.create(w.Header(), appendValue(nil, textName, textValue))
			w.Write(okBody)
		},
		"/login": func(w http.ResponseWriter, r *http.Request) {
			if !s.renew(w.Header(), r.Header, userValue) {
				answer(w, "")
				return
			}
			w.Write(okBody)
		},
		"/fill": func(w http.ResponseWriter, r *http.Request) {
			s.create(w.Header(), fillFloor(number(r)))
			w.Write(okBody)
		},
		"/fill4k": func(w http.ResponseWriter, r *http.Request) {
			data := appendValue(appendValue(nil, largeName, strings.Repeat("x", 4000)), textName, textValue)
			s.create(w.Header(), data)
			w.Write(okBody)
		},
	}.pages()}, nil
}}

func fillFloor(n int) []byte {
	data := appendValue(nil, textName, textValue)
	data = appendValue(data, countName, string(make([]byte, 8)))
	for name, value := range extra(n) {
		data = appendValue(data, name, value)
	}
	return data
}

type floorID [sha256.Size]byte

type floorRecord struct {
	user     string
	data     []byte // never changed: somebody may be reading it
	deadline int64
}

type floorStore struct {
	shards [64]struct {
		mu      sync.RWMutex
		records map[floorID]floorRecord
	}
}

func newFloorStore() *floorStore {
	s := new(floorStore)
	for i := range s.shards {
		s.shards[i].records = make(map[floorID]floorRecord)
	}
	return s
}

const (
	floorCookie = "sid="
	floorTail   = "; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax"
	floorLife   = 12 * time.Hour
)

// floorToken returns the id of the request's cookie.
func floorToken(h http.Header) (id floorID, ok bool) {
	for _, line := range h["Cookie"] {
		i := strings.Index(line, floorCookie)
		if i < 0 || len(line) < i+len(floorCookie)+24 {
			continue
		}
		text := line[i+len(floorCookie):][:24]
		var token [18]byte
		var src [24]byte
		copy(src[:], text)
		if n, err := base64.RawURLEncoding.Decode(token[:], src[:]); n != len(token) || err != nil {
			return id, false
		}
		return sha256.Sum256(token[:]), true
	}
	return id, false
}

func (s *floorStore) load(h http.Header) ([]byte, bool) {
	id, ok := floorToken(h)
	if !ok {
		return nil, false
	}
	shard := &s.shards[id[0]%byte(len(s.shards))]
	shard.mu.RLock()
	rec, ok := shard.records[id]
	shard.mu.RUnlock()
	return rec.data, ok && rec.deadline > time.Now().UnixNano()
}

func (s *floorStore) count(h http.Header) (int, bool) {
	id, ok := floorToken(h)
	if !ok {
		return 0, false
	}
	now := time.Now().UnixNano()
	shard := &s.shards[id[0]%byte(len(s.shards))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	rec, ok := shard.records[id]
	if !ok || rec.deadline <= now {
		return 0, false
	}
	rec.data = append([]byte(nil), rec.data...)
	value, ok := findValue(rec.data, countName)
	if !ok {
		return 0, false
	}
	n := binary.LittleEndian.Uint64(value) + 1
	binary.LittleEndian.PutUint64(value, n)
	shard.records[id] = rec
	return int(n), true
}

func (s *floorStore) create(h http.Header, data []byte) { s.put(h, floorRecord{data: data}) }

// put stores a record under a new token, and sets its cookie.
func (s *floorStore) put(h http.Header, rec floorRecord) {
	var token [18]byte
	rand.Read(token[:])
	id := floorID(sha256.Sum256(token[:]))
	rec.deadline = time.Now().Add(floorLife).UnixNano()
	shard := &s.shards[id[0]%byte(len(s.shards))]
	shard.mu.Lock()
	shard.records[id] = rec
	shard.mu.Unlock()
	line := make([]byte, 0, len(floorCookie)+24+len(floorTail))
	line = append(line, floorCookie...)
	line = base64.RawURLEncoding.AppendEncode(line, token[:])
	line = append(line, floorTail...)
	h["Set-Cookie"] = []string{string(line)}
}

// renew moves the session to a new token.
func (s *floorStore) renew(w, r http.Header, user string) bool {
	id, ok := floorToken(r)
	if !ok {
		return false
	}
	shard := &s.shards[id[0]%byte(len(s.shards))]
	shard.mu.Lock()
	rec, ok := shard.records[id]
	delete(shard.records, id)
	shard.mu.Unlock()
	if !ok || rec.deadline <= time.Now().UnixNano() {
		return false
	}
	rec.user = user
	s.put(w, rec)
	return true
}

// Values are length-prefixed: name, value.
func appendValue(data []byte, name, value string) []byte {
	data = append(data, byte(len(name)))
	data = append(data, name...)
	data = binary.LittleEndian.AppendUint16(data, uint16(len(value)))
	return append(data, value...)
}

func findValue(data []byte, name string) ([]byte, bool) {
	for len(data) > 0 {
		n := 1 + int(data[0])
		found := string(data[1:n]) == name
		end := n + 2 + int(binary.LittleEndian.Uint16(data[n:]))
		if found {
			return data[n+2 : end], true
		}
		data = data[end:]
	}
	return nil, false
}

// FloorHolding is a floor's store with n sessions of so many bytes.
func FloorHolding(n, size int) any {
	s := newFloorStore()
	for i := range n {
		var token [8]byte
		binary.LittleEndian.PutUint64(token[:], uint64(i))
		id := floorID(sha256.Sum256(token[:]))
		s.shards[id[0]%byte(len(s.shards))].records[id] = floorRecord{data: make([]byte, size)}
	}
	return s
}
