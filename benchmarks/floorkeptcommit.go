package benchmarks

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/internal/record"
	"github.com/coatcheck/coatcheck/internal/token"
	"github.com/coatcheck/coatcheck/internal/wait"
	"github.com/coatcheck/coatcheck/store"
)

func keptPrefetch(r *http.Request) bool {
	purpose := r.Header["Sec-Purpose"]
	return len(purpose) > 0 && strings.Contains(purpose[0], "prefetch")
}

// commit stores what is pending, or says in err why not. The mutex is held.
func (x *keptRequest) commit(c *keptChange, now int64) {
	if keptPrefetch(&x.r) { // G14
		x.err = errKeptAway
		return
	}
	if x.tooLate() {
		x.err = errKeptLate
		return
	}
	c.pending = false
	c.call.parent, c.call.at = x.parent(), now+(keptTimeout-keptLook).Microseconds()
	defer c.call.end()
	fresh := x.life != keptLive || c.user != ""
	if fresh && x.state.Load()&keptPhase != keptOpen {
		x.err = errKeptLate // G4: no cookie leaves any more
		return
	}
	if fresh && now-x.began > keptWindow {
		x.err = errKeptEnded // G2: its cookie could replace a newer one
		return
	}
	if x.r.Method == http.MethodHead { // G4: answered as GET, and keeps nothing
		_, x.err = x.make(c, now)
		return
	}
	if x.life == keptLive {
		x.err = x.commitInTurn(c, now)
	} else {
		x.err = x.create(c, now)
	}
	if x.err == nil {
		x.k.sweep(&c.call, now)
	}
}

// sweep is the share of the requests, at most once a second (G14).
func (k *kept) sweep(ctx *keptCall, now int64) {
	if last := k.swept.Load(); now-last >= keptSecond && k.swept.CompareAndSwap(last, now) {
		if n, _ := k.store.Sweep(ctx, keptTime(now), keptBatch); n >= keptBatch {
			k.swept.CompareAndSwap(now, last)
		}
	}
}

// commitInTurn changes a live session, when all that came before in this process have,
// and again on what another process has stored meanwhile (G1).
func (x *keptRequest) commitInTurn(c *keptChange, now int64) error {
	line := &x.k.lines[x.id[0]%byte(len(x.k.lines))]
	c.id = x.id
	if !line.enter(c) {
		if !line.wait(c) {
			return errKeptAway
		}
		now = x.now()
	}
	defer line.leave(x, c)
	if c.handed != nil {
		x.take(c.handed)
	}
	for try := 0; ; try++ {
		if min(x.expires, x.deadline) <= now {
			return x.over(c, now, store.ErrNotFound)
		}
		err := x.try(c, now)
		if err == nil {
			return nil
		}
		conflict, told := errors.AsType[*store.ConflictError](err)
		switch {
		case told && conflict.Now.ID == x.id && x.take(&conflict.Now):
		case errors.Is(err, store.ErrConflict):
			rec, err := x.k.store.Load(&c.call, x.id)
			if err != nil {
				return x.over(c, now, err)
			}
			if !x.take(&rec) {
				return errKeptEnded
			}
		default:
			return x.over(c, now, err)
		}
		if try > 0 { // or processes keep in step
			time.Sleep(time.Millisecond + mathrand.N(time.Millisecond))
		}
		if c.call.Err() != nil {
			return errKeptAway
		}
		now = x.now()
	}
}

// try is one call of the store.
func (x *keptRequest) try(c *keptChange, now int64) error {
	data, err := x.make(c, now)
	if err != nil {
		return err
	}
	for {
		// G1: a version that no other commit has had.
		rec := store.Record{ID: x.id, Version: mathrand.Uint64() | 1, User: x.user, Data: data,
			AuthTime: keptTime(x.authTime), Created: keptTime(x.created), Deadline: keptTime(x.deadline)}
		seen, expires := max(now, x.seen), keptIdleEnd(now, x.deadline)
		if c.user == "" && x.life == keptLive {
			rec.Seen, rec.Expires = keptTime(seen), keptTime(max(expires, x.expires))
			if err = x.k.store.Update(&c.call, rec, x.version); x.stored(c, &rec, err) {
				x.version, x.data, x.seen, x.expires = rec.Version, data, seen, max(expires, x.expires)
				return nil
			}
			return err
		}
		begun, life := x.began, keptAnonymous
		if rec.User = c.user; c.user != "" {
			life = keptLife
		}
		if x.life == keptLive && x.user == c.user {
			begun = max(begun, x.authTime) // a revocation that came before stays before (S8)
		}
		deadline := now + life // G3: the lifetime starts anew
		expires = keptIdleEnd(now, deadline)
		rec.AuthTime, rec.Created, rec.Seen = keptTime(begun), keptTime(now), keptTime(now)
		rec.Expires, rec.Deadline = keptTime(expires), keptTime(deadline)
		var text [keptTokenText]byte
		rec.ID = x.k.tokens.seal(&text) // G3; G5: each try has a token of its own
		if x.life == keptLive {
			err = x.k.store.Replace(&c.call, x.id, x.version, rec, keptTime(now+keptTombstone)) // G2
		} else {
			err = x.k.store.Create(&c.call, rec)
		}
		if errors.Is(err, store.ErrExists) && c.call.Err() == nil {
			continue
		}
		if !x.stored(c, &rec, err) {
			return err
		}
		x.entries, c.cleared = uint16(keptEntriesAt(data)), false
		x.life, x.id, x.version, x.user, x.data = keptLive, rec.ID, rec.Version, rec.User, data
		x.authTime, x.created, x.seen, x.expires, x.deadline = begun, now, now, expires, deadline
		x.k.cookies(c, &text, &rec.ID, now, life)
		return nil
	}
}

// stored reports whether a call was applied. Where nobody knows it looks, once (G5).
func (x *keptRequest) stored(c *keptChange, rec *store.Record, err error) bool {
	if err == nil {
		return true
	}
	for _, definite := range [...]error{store.ErrNotFound, store.ErrExists, store.ErrConflict, store.ErrEnded, store.ErrFull} {
		if errors.Is(err, definite) {
			return false
		}
	}
	look := wait.Detached(x.parent(), c.call.until().Add(keptLook))
	defer look.End()
	now, err := x.k.store.Load(look, x.id)
	if x.life == keptLive && rec.ID != x.id {
		e, ok := errors.AsType[*store.EndedError](err)
		return ok && e.Next == rec.ID
	}
	if rec.ID != x.id {
		now, err = x.k.store.Load(look, rec.ID)
	}
	return err == nil && now.Version == rec.Version
}

// over is what an error of the store makes of a commit in a live session.
func (x *keptRequest) over(c *keptChange, now int64, err error) error {
	if isKept(err) {
		return err
	}
	if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrEnded) {
		return errKeptAway
	}
	if c.user == "" {
		e, _ := errors.AsType[*store.EndedError](err)
		c.cookies = [2]string{} // G2: no cookie of any kind
		x.ended(e)
		return x.why()
	}
	if _, err := x.k.store.Load(&c.call, x.id); err == nil {
		return errKeptEnded // G3: not the session was ended, but its user's sessions
	}
	c.cookies, x.life, x.user, x.data, x.entries = [2]string{}, keptEnded, "", nil, 0
	return x.create(c, now) // G3: whoever has just logged in gets a new one
}

func isKept(err error) bool {
	_, ok := errors.AsType[*keptError](err)
	return ok
}

// create makes a session where there is none.
func (x *keptRequest) create(c *keptChange, now int64) error {
	err := x.try(c, now)
	if errors.Is(err, store.ErrFull) { // G14: what has expired makes room
		if n, _ := x.k.store.Sweep(&c.call, keptTime(now), keptBatch); n > 0 {
			err = x.try(c, now)
		}
	}
	switch {
	case err == nil, isKept(err):
		return err
	case errors.Is(err, store.ErrEnded):
		return errKeptEnded // G2: of this user, since the request began
	}
	return errKeptAway
}

// make makes the record's data anew, since nobody may see it change (S12).
func (x *keptRequest) make(c *keptChange, now int64) ([]byte, error) {
	live := x.life == keptLive
	if live && c.user == "" && len(c.ops) == 1 && c.ops[0].f != nil {
		if data, err := x.splice(&c.ops[0]); data != nil || err != nil {
			return data, err
		}
	}
	var h record.Header
	if live && !c.cleared {
		h, _ = record.CutHeader(x.data)
	}
	if c.user != "" {
		data := x.head(h.Entries)
		if len(c.ops) == 0 {
			return data, nil
		}
		h, _ = record.CutHeader(data)
	}
	changed := make([]record.Entry, 0, 16)
	for i := range c.ops {
		op := &c.ops[i]
		at := slices.IndexFunc(changed, func(e record.Entry) bool { return e.Name == op.name })
		if at < 0 {
			at, changed = len(changed), append(changed, record.Find(h.Entries, op.name).At(now/1000))
		}
		if op.f == nil {
			changed[at] = record.Entry{Name: op.name, Raw: op.raw}
			continue
		}
		old, err := keptInt(changed[at].Raw)
		if err != nil {
			return nil, err
		}
		op.n = op.f(old)
		changed[at].Raw = strconv.AppendInt(nil, int64(op.n), 10)
	}
	data, count := record.Encode(h, changed, now/1000)
	if count > record.MaxEntries || len(data) > record.MaxSize { // G14
		return nil, errKeptLarge
	}
	return data, nil
}

// head makes the data of a login without changes. It has what the list of a user's
// sessions shows (G11).
func (x *keptRequest) head(entries []byte) []byte {
	var room [128]byte
	device := keptDevice(room[:0], x.r.UserAgent())
	address := keptAddress(room[len(device):len(device)], x.r.RemoteAddr)
	data := make([]byte, 0, 4+len(device)+len(address)+len(entries))
	data = append(append(data, 1, 0, byte(len(device))), device...)
	data = append(append(data, byte(len(address))), address...)
	return append(data, entries...)
}

// splice makes the data for a change of one value that is there, or none where that
// is not as nearly every value is.
func (x *keptRequest) splice(op *keptOp) ([]byte, error) {
	old := x.data
	for at := int(x.entries); at < len(old); {
		n := int(old[at])
		raw := at + n + 3
		if n >= 0x80 || raw > len(old) || old[raw-2] != 0 || old[raw-1] >= 0x80 {
			return nil, nil
		}
		end := raw + int(old[raw-1])
		if n != len(op.name) || string(old[at+1:at+1+n]) != op.name {
			at = end
			continue
		}
		v, err := keptInt(old[raw:end])
		if err != nil {
			return nil, err
		}
		op.n = op.f(v)
		var room [20]byte
		made := strconv.AppendInt(room[:0], int64(op.n), 10)
		if len(old)-(end-raw)+len(made) > record.MaxSize {
			return nil, errKeptLarge
		}
		data := make([]byte, 0, len(old)-(end-raw)+len(made))
		data = append(append(data, old[:raw-1]...), byte(len(made)))
		return append(append(data, made...), old[end:]...), nil
	}
	return nil, nil
}

// keptInt reads a number; none is 0. One that is none refuses the change (G5).
func keptInt(raw []byte) (int, error) {
	if len(raw) == 0 {
		return 0, nil
	}
	n := 0
	for _, c := range raw {
		if c < '0' || c > '9' || len(raw) > 18 || raw[0] == '0' && len(raw) > 1 {
			n, err := record.Unmarshal[int](raw)
			if err != nil {
				return 0, errKeptValue
			}
			return n, nil
		}
		n = 10*n + int(c-'0')
	}
	return n, nil
}

func keptEntriesAt(data []byte) int {
	h, _ := record.CutHeader(data)
	return len(data) - len(h.Entries)
}

// record is what the session now is, for who comes next in line.
func (x *keptRequest) record() *store.Record {
	return &store.Record{ID: x.id, Version: x.version, User: x.user, Data: x.data,
		AuthTime: keptTime(x.authTime), Created: keptTime(x.created),
		Seen: keptTime(x.seen), Expires: keptTime(x.expires), Deadline: keptTime(x.deadline)}
}

// A keptLine is of the commits under way, and those that wait: of one session they go
// one after another (G1).
type keptLine struct {
	mu   sync.Mutex
	list []*keptChange
	_    [32]byte // to a cache line
}

// enter reports whether nobody is before it.
func (l *keptLine) enter(c *keptChange) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	alone := l.after(&c.id, 0) == nil
	if !alone {
		c.wake = make(chan struct{}, 1)
	}
	l.list = append(l.list, c)
	return alone
}

// after returns the first from there on that is of the session.
func (l *keptLine) after(id *store.ID, from int) *keptChange {
	for _, c := range l.list[from:] {
		if c.id == *id {
			return c
		}
	}
	return nil
}

// wait reports whether its turn came while it had time.
func (l *keptLine) wait(c *keptChange) bool {
	select {
	case <-c.wake:
		return true
	case <-c.call.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(c.wake) > 0 { // at the last moment
		return true
	}
	i := slices.Index(l.list, c)
	l.list = slices.Delete(l.list, i, i+1)
	return false
}

// leave hands the turn on, and with it what this one has stored.
func (l *keptLine) leave(x *keptRequest, c *keptChange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.list, c)
	l.list = slices.Delete(l.list, i, i+1)
	if next := l.after(&c.id, i); next != nil {
		if x.life == keptLive && x.id == next.id {
			next.handed = x.record()
		}
		next.wake <- struct{}{}
	}
}

// The cookies of coatcheck's default configuration.
const (
	keptCookieName = "__Host-Http-sid"
	keptMarkerName = keptCookieName + "-lax"
	keptTokenText  = 52
	keptTokenHead  = 23 // version, key and random part; the MAC follows
	keptTokenSize  = 39
)

// keptCookie finds the one cookie of that name. Of two none counts (G8). What its bytes
// are whoever decodes it sees.
func keptCookie(lines []string, name string) (value string, ok bool) {
	for _, line := range lines {
		for line != "" {
			pair := line
			if i := strings.IndexByte(line, ';'); i >= 0 {
				pair, line = line[:i], line[i+1:]
			} else {
				line = ""
			}
			for pair != "" && (pair[0] == ' ' || pair[0] == '\t') {
				pair = pair[1:]
			}
			if len(pair) <= len(name) || pair[len(name)] != '=' || pair[:len(name)] != name {
				continue
			}
			if ok {
				return "", false
			}
			value, ok = strings.TrimRight(pair[len(name)+1:], " \t"), true
		}
	}
	return value, ok
}

// A keptTail is what stands behind the values of the lines of one second.
type keptTail struct {
	second      int64
	sid, marker string
}

// cookies writes the lines of a new token and of its marker, which names the session
// (G7). They begin and end alike within a second, but for their values.
func (k *kept) cookies(c *keptChange, text *[keptTokenText]byte, id *store.ID, now, life int64) {
	second, kind := (now+keptSecond-1)/keptSecond, 0
	if life == keptLife {
		kind = 1
	}
	tail := k.tails[kind].Load()
	if tail == nil || tail.second != second {
		seconds := life / keptSecond
		age := "; Max-Age=" + strconv.FormatInt(seconds, 10) + "; Path=/; Secure; HttpOnly; SameSite=" // G6
		expires := "; Expires=" + time.Unix(second+seconds, 0).UTC().Format(http.TimeFormat)
		tail = &keptTail{second, age + "Strict" + expires, age + "Lax" + expires}
		k.tails[kind].Store(tail)
	}
	const label = "coatcheck/handle/v1\x00"
	var named [len(label) + len(id)]byte
	copy(named[copy(named[:], label):], id[:])
	sum := sha256.Sum256(named[:])
	var room [384]byte
	both := append(append(append(room[:0], keptCookieName+"="...), text[:]...), tail.sid...)
	n := len(both)
	both = base64.RawURLEncoding.AppendEncode(append(both, keptMarkerName+"="...), sum[:9])
	all := string(append(both, tail.marker...))
	c.cookies = [2]string{all[:n], all[n:]}
}

// keptTokens makes and opens tokens: T1 to T4 of docs/spec/record.md.
type keptTokens struct {
	keyID        [4]byte
	inner, outer [sha256.BlockSize]byte // HMAC's two pads
	genuine      [1024]atomic.Pointer[keptMAC]
}

// A keptMAC was genuine a moment ago. The token is not in it (G9).
type keptMAC struct {
	id  store.ID
	mac [keptTokenSize - keptTokenHead]byte
}

func (t *keptTokens) init(keys *cookie.Keys) {
	key := keys.Derive(token.Purpose + ":" + keptCookieName)[0]
	t.keyID = key.ID
	for i := range t.inner {
		t.inner[i], t.outer[i] = 0x36, 0x5c
	}
	for i, b := range key.Key {
		t.inner[i] ^= b
		t.outer[i] ^= b
	}
}

// mac is HMAC-SHA-256 (G8), without a hash that is kept.
func (t *keptTokens) mac(head []byte) (mac [keptTokenSize - keptTokenHead]byte) {
	var first [sha256.BlockSize + keptTokenHead]byte
	copy(first[copy(first[:], t.inner[:]):], head)
	sum := sha256.Sum256(first[:])
	var second [sha256.BlockSize + sha256.Size]byte
	copy(second[copy(second[:], t.outer[:]):], sum[:])
	sum = sha256.Sum256(second[:])
	copy(mac[:], sum[:])
	return mac
}

// keptID is what the store keeps in place of the token (G9).
func keptID(random []byte) store.ID {
	const label = "coatcheck/session-id/v1\x00"
	var b [len(label) + 18]byte
	copy(b[copy(b[:], label):], random)
	return sha256.Sum256(b[:])
}

func (t *keptTokens) place(id *store.ID) *atomic.Pointer[keptMAC] {
	return &t.genuine[(int(id[1])|int(id[2])<<8)%len(t.genuine)]
}

// keptDigits are those of base64url; 0x80 is none.
var keptDigits = func() (t [256]byte) {
	for i := range t {
		t[i] = 0x80
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		t[c] = byte(i)
	}
	return t
}()

// open returns the id of a genuine token. What is no token is refused before
// anything else is done (G8), and with it what no cookie may hold.
func (t *keptTokens) open(value string) (id store.ID, ok bool) {
	if len(value) != keptTokenText {
		return id, false
	}
	var b [keptTokenSize]byte
	bad := byte(0)
	for i, j := 0, 0; j+4 <= len(value); i, j = i+3, j+4 {
		d0, d1, d2, d3 := keptDigits[value[j]], keptDigits[value[j+1]], keptDigits[value[j+2]], keptDigits[value[j+3]]
		bad |= d0 | d1 | d2 | d3
		b[i], b[i+1], b[i+2] = d0<<2|d1>>4, d1<<4|d2>>2, d2<<6|d3
	}
	if bad >= 0x80 || b[0] != 1 || [4]byte(b[1:5]) != t.keyID {
		return id, false
	}
	id = keptID(b[5:keptTokenHead])
	mac := b[keptTokenHead:]
	if m := t.place(&id).Load(); m != nil && m.id == id && subtle.ConstantTimeCompare(m.mac[:], mac) == 1 {
		return id, true
	}
	want := t.mac(b[:keptTokenHead])
	if subtle.ConstantTimeCompare(want[:], mac) == 0 {
		return store.ID{}, false
	}
	t.place(&id).Store(&keptMAC{id, want})
	return id, true
}

// seal makes a token and its id.
func (t *keptTokens) seal(text *[keptTokenText]byte) store.ID {
	var b [keptTokenSize]byte
	b[0] = 1
	copy(b[1:5], t.keyID[:])
	rand.Read(b[5:keptTokenHead])
	mac := t.mac(b[:keptTokenHead])
	copy(b[keptTokenHead:], mac[:])
	base64.RawURLEncoding.Encode(text[:], b[:])
	id := keptID(b[5:keptTokenHead])
	t.place(&id).Store(&keptMAC{id, mac}) // which spares the next request to compute it
	return id
}

// What a User-Agent names, as coatcheck looks for it.
var (
	keptBrowsers = [...][2]string{{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}}
	keptSystems = [...][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
		{"Windows", "Windows"}, {"Macintosh", "macOS"}, {"Linux", "Linux"}}
)

func keptDevice(b []byte, userAgent string) []byte {
	for _, browser := range keptBrowsers {
		if strings.Contains(userAgent, browser[0]) {
			b = append(b, browser[1]...)
			for _, system := range keptSystems {
				if strings.Contains(userAgent, system[0]) {
					return append(append(b, " on "...), system[1]...)
				}
			}
			return b
		}
	}
	return b
}

func keptAddress(b []byte, remote string) []byte {
	if at, err := netip.ParseAddrPort(remote); err == nil {
		return at.Addr().Unmap().WithZone("").AppendTo(b)
	}
	return b
}
