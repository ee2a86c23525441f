package attack_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
	"github.com/coatcheck/coatcheck/sealedstore"
	"github.com/coatcheck/coatcheck/store"
)

// Fixation: a token planted before the login is worth nothing after it, and an
// id chosen by the client is never adopted.
func TestFixation_CVE_2022_25896_CVE_2024_38513_CVE_2023_22479(t *testing.T) {
	a := newApp(t)
	attacker := coatchecktest.NewScript(a)
	attacker.Send("POST", "/note?text=planted")
	victim := attacker.Clone()
	victim.Send("POST", "/login?user=alice")
	if got := userOf(victim); got != "alice" {
		t.Fatalf("victim is %q", got)
	}
	if got := userOf(attacker); got != "" {
		t.Errorf("with the planted token the attacker is %q", got)
	}

	chosen := coatchecktest.NewScript(a)
	for _, value := range []string{"EVIL", strings.Repeat("A", 52), attacker.Cookies()[sid][:51] + "A"} {
		chosen.SetCookie(sid, value)
		w := chosen.Clone().Send("GET", "/profile")
		if w.Header().Get("Set-Cookie") != "" {
			t.Errorf("id %.8q was answered with a cookie on a read", value)
		}
		c := chosen.Clone()
		c.Send("POST", "/login?user=alice")
		if c.Cookies()[sid] == value {
			t.Errorf("id %.8q was adopted", value)
		}
	}
}

// A dump of the store holds nothing that opens a session; data moved between
// sealed rows is refused.
func TestStoreDump_CVE_2026_53603(t *testing.T) {
	a := newApp(t)
	victim := loggedIn(a, "alice")
	victim.Send("POST", "/note?text=private")
	recs, err := a.store.User(t.Context(), "alice")
	if err != nil || len(recs) != 1 {
		t.Fatalf("%d records, %v", len(recs), err)
	}
	rec := recs[0]
	// In the layout of a token too, whose version and key id are no secret.
	public, err := base64.RawURLEncoding.DecodeString(victim.Cookies()[sid])
	if err != nil {
		t.Fatal(err)
	}
	layout := append(append(public[:5:5], rec.ID[:18]...), make([]byte, 16)...)
	for _, column := range []string{
		base64.RawURLEncoding.EncodeToString(layout),
		string(rec.ID[:]), hex.EncodeToString(rec.ID[:]), base64.RawURLEncoding.EncodeToString(rec.ID[:]),
		base64.RawURLEncoding.EncodeToString(append([]byte{1}, append(rec.ID[:], rec.ID[:6]...)...)),
		rec.ID.Handle(), rec.User, string(rec.Data), fmt.Sprint(rec.Version),
	} {
		r := coatchecktest.NewScript(a).Request("GET", "/profile")
		r.Header.Set("Cookie", sid+"="+column)
		if w := coatchecktest.NewScript(a).Serve(r); w.Body.String() != "user=" {
			t.Errorf("a column of the dump opens the session: %q", w.Body)
		}
	}

	inner := memstore.New(memstore.Config{})
	sealed, err := sealedstore.New(inner, newKeys(t, secret))
	if err != nil {
		t.Fatal(err)
	}
	one, two := rec, rec
	one.ID, two.ID = store.ID{1}, store.ID{2}
	if err := sealed.Create(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	stored, err := inner.Load(t.Context(), one.ID)
	if err != nil || bytes.Contains(stored.Data, []byte("private")) {
		t.Errorf("sealed row: %v, readable: %v", err, err == nil)
	}
	stored.ID = two.ID
	if err := inner.Create(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	if got, err := sealed.Load(t.Context(), two.ID); err == nil && len(got.Data) > 0 {
		t.Error("data that was moved to another row opens")
	}
}

// Resurrection: whatever is in flight during a logout, the session stays ended,
// also when nobody remembers the end any more.
func TestResurrection_CVE_2025_32441_CVE_2025_46336(t *testing.T) {
	for _, path := range []string{"/slow-read", "/slow-write"} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t)
			victim := loggedIn(a, "alice")
			stolen := victim.Clone()
			time.Sleep(10 * time.Minute) // so that the late request also touches
			a.block[path] = make(chan struct{})
			done := make(chan []string)
			late := victim.Clone()
			go func() { done <- late.Serve(late.Request("POST", path)).Header()["Set-Cookie"] }()
			<-a.inside
			victim.Send("POST", "/logout")
			close(a.block[path])
			for _, line := range <-done {
				if !strings.Contains(line, "-over=") { // the note that it has ended
					t.Errorf("%s: the late answer sets %s", path, line)
				}
			}
			for _, wait := range []time.Duration{0, 59 * time.Second, 2 * time.Second, time.Hour} {
				time.Sleep(wait)
				if got := userOf(stolen); got != "" {
					t.Fatalf("%s: the ended session is %q again", path, got)
				}
			}
		})
	}
}

// Logout ends the session on the server, whatever the client keeps.
func TestLogoutOnTheServer_CVE_2026_30224_CVE_2023_20862(t *testing.T) {
	a := newApp(t)
	victim := loggedIn(a, "alice")
	stolen := victim.Clone()
	victim.Send("POST", "/note?text=private")
	victim.Send("POST", "/logout")
	if got := userOf(stolen); got != "" {
		t.Errorf("the token still opens the session of %q", got)
	}
	if recs, err := a.store.User(t.Context(), "alice"); err != nil || len(recs) != 0 {
		t.Errorf("%d records left, %v", len(recs), err)
	}
}

// A session ends at its time, whatever the client keeps or sends of its cookie.
func TestExpiryOnTheServer_CVE_2024_35220(t *testing.T) {
	for name, life := range map[string]time.Duration{"idle": 31 * time.Minute, "kept busy": 12 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t)
			victim := loggedIn(a, "alice")
			for passed := time.Duration(0); name == "kept busy" && passed < life; passed += 10 * time.Minute {
				if got := userOf(victim); got != "alice" {
					t.Fatalf("after %v: %q", passed, got)
				}
				time.Sleep(10 * time.Minute)
			}
			if name == "idle" {
				time.Sleep(life + 3*time.Minute)
			}
			if got := userOf(victim); got != "" {
				t.Errorf("%s: after its time the session is %q", name, got)
			}
			victim.Send("POST", "/note?text=late")
			if got := userOf(victim); got != "" {
				t.Errorf("%s: a write made it %q again", name, got)
			}
		})
	}
}

// A login that is remembered can be stolen like any other, and ends like any
// other: it is in the list, and a new password ends it.
func TestRememberMe_CVE_2026_56750(t *testing.T) {
	a := newApp(t)
	h := a.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := a.sessions.From(r.Context())
		s.Login("alice")
		s.Remember(30 * 24 * time.Hour)
	}))
	victim := coatchecktest.NewScript(a)
	victim.Send("POST", "/note?text=before")
	planted := victim.Clone()
	victim.Handler = h
	victim.Send("POST", "/remember")
	victim.Handler = a
	if got := userOf(planted); got != "" {
		t.Errorf("the token from before is %q", got)
	}
	stolen := victim.Clone()
	own := loggedIn(a, "alice")
	if list, err := a.sessions.Sessions(t.Context(), "alice"); err != nil || len(list) != 2 {
		t.Errorf("the list has %v, %v, want both", list, err)
	}
	own.Send("POST", "/password")
	for _, j := range []*coatchecktest.Browser{stolen, victim} {
		if got := userOf(j); got != "" {
			t.Errorf("the remembered session is still %q", got)
		}
	}
	if got := userOf(own); got != "alice" {
		t.Errorf("the own session is %q", got)
	}
}

// Of a session in its cookie a copy dies by the revoker.
func TestCookieReplay_CVE_2024_31999_CVE_2025_53826(t *testing.T) {
	var m *coatcheck.Manager
	m, err := coatcheck.NewInCookie(newKeys(t, secret), coatcheck.StoreRevoker(memstore.New(memstore.Config{})), coatcheck.Config{})
	if err != nil {
		t.Fatal(err)
	}
	victim := coatchecktest.NewScript(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch s := m.From(r.Context()); r.URL.Path {
		case "/login":
			s.Login(r.URL.Query().Get("user"))
		case "/end":
			m.RevokeAll(r.Context(), s.User())
			s.Logout()
		default:
			fmt.Fprintf(w, "user=%s", s.User())
		}
	})))
	victim.Send("POST", "/login?user=alice")
	stolen := victim.Clone()
	other := coatchecktest.NewScript(victim.Handler)
	other.Send("POST", "/login?user=bob")
	victim.Send("POST", "/end")
	if got := userOf(stolen); got != "" {
		t.Errorf("the copy is still %q", got)
	}
	if got := userOf(other); got != "bob" {
		t.Errorf("another user is %q", got)
	}
	if _, err := coatcheck.NewInCookie(newKeys(t, secret), nil, coatcheck.Config{}); err == nil {
		t.Error("it can be had without a source of revocation")
	}
}

// A new password ends the other sessions and renews the own one.
func TestPasswordChange_Vikunja_listmonk(t *testing.T) {
	a := newApp(t)
	own, thief := loggedIn(a, "alice"), loggedIn(a, "alice")
	before := own.Clone()
	own.Send("POST", "/password")
	if got := userOf(thief); got != "" {
		t.Errorf("the thief is still %q", got)
	}
	if got := userOf(before); got != "" {
		t.Errorf("the own old token still is %q", got)
	}
	if got := userOf(own); got != "alice" {
		t.Errorf("the own session is %q", got)
	}
}

// Parallel requests of one session, which all have read before any writes, lose
// nothing.
func TestLostUpdate_dbsc_php(t *testing.T) {
	a := newApp(t)
	count := coatcheck.NewKey[int]("count")
	var looked sync.WaitGroup
	looked.Add(100)
	h := a.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := a.sessions.From(r.Context())
		s.User()
		looked.Done()
		looked.Wait()
		count.Update(s, func(n int) int { return n + 1 })
	}))
	j := loggedIn(a, "alice")
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { coatchecktest.NewScript(h).Serve(j.Request("POST", "/")) })
	}
	wg.Wait()
	var got int
	a.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, _ = count.Get(a.sessions.From(r.Context()))
	})).ServeHTTP(discard{http.Header{}}, j.Request("GET", "/"))
	if got != 100 {
		t.Errorf("100 increments left %d", got)
	}
}

// Requests of many users at once never see each other's data.
func TestStateBleeding_CVE_2026_24894(t *testing.T) {
	a := newApp(t)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			user := fmt.Sprint("user", i)
			j := coatchecktest.NewScript(a)
			j.Send("POST", "/login?user="+user)
			j.Send("POST", "/note?text="+user)
			for range 50 {
				if got := userOf(j); got != user {
					t.Errorf("%s is %q", user, got)
				}
				if got := j.Send("GET", "/read").Body.String(); got != "note="+user {
					t.Errorf("%s reads %q", user, got)
				}
			}
		})
	}
	wg.Wait()
}

// The token itself never reaches a store, so a lookup's time says nothing of it.
func TestTimingOnLookup_CVE_2019_16782(t *testing.T) {
	a := newApp(t)
	victim := loggedIn(a, "alice")
	token, err := base64.RawURLEncoding.DecodeString(victim.Cookies()[sid])
	if err != nil {
		t.Fatal(err)
	}
	recs, _ := a.store.User(t.Context(), "alice")
	for _, rec := range recs {
		all := append(append([]byte(rec.User), rec.ID[:]...), rec.Data...)
		for i := 0; i+6 <= len(token); i++ {
			if i >= 5 && bytes.Contains(all, token[i:i+6]) {
				t.Errorf("bytes %d to %d of the token are in the store", i, i+6)
			}
		}
	}
}

// Guesses are counted by events; malformed and forged ones cost no store call.
func TestGuessing_CVE_2024_52801_CVE_2025_66630(t *testing.T) {
	a := newApp(t)
	victim := loggedIn(a, "alice")
	genuine := victim.Cookies()[sid]
	seen := map[string]bool{}
	for range 2000 {
		j := coatchecktest.NewScript(a)
		j.Send("POST", "/login?user=bob")
		if seen[j.Cookies()[sid]] {
			t.Fatal("a token was issued twice")
		}
		seen[j.Cookies()[sid]] = true
	}
	before := a.events.Count(coatcheck.Refused)
	for i := range 200 {
		guess := []byte(genuine)
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		at := 10 + i%30
		guess[at] = alphabet[(strings.IndexByte(alphabet, guess[at])+1+i%3)%len(alphabet)]
		j := coatchecktest.NewScript(a)
		j.SetCookie(sid, string(guess))
		if got := userOf(j); got != "" {
			t.Fatalf("a guess opens the session of %q", got)
		}
	}
	if got := a.events.Count(coatcheck.Refused) - before; got != 200 {
		t.Errorf("200 guesses made %d events", got)
	}
}

// Nothing is stored for visitors who keep nothing, nor for unknown ids, nor by
// a logout.
func TestSessionCreationDoS_CVE_2015_5143_CVE_2015_5963(t *testing.T) {
	a := newApp(t)
	for i := range 3000 {
		j := coatchecktest.NewScript(a)
		if i%3 == 1 {
			j.SetCookie(sid, strings.Repeat("A", 52))
		}
		switch i % 4 {
		case 0:
			j.Send("GET", "/profile")
		case 1:
			j.Send("POST", "/logout")
		case 2:
			j.Send("GET", "/read")
		case 3:
			j.Send("GET", "/has")
		}
	}
	if got := a.rows(); got != 0 {
		t.Errorf("3000 visitors who kept nothing left %d rows", got)
	}
}

// Absence of the cookie, after its eviction, is anonymous and costs the server
// side nothing: the session is still there for its cookie.
func TestJarOverflow_RFC6265bis_8_6(t *testing.T) {
	a := newApp(t)
	victim := loggedIn(a, "alice")
	evicted := coatchecktest.NewScript(a)
	if got := userOf(evicted); got != "" {
		t.Errorf("without a cookie: %q", got)
	}
	marker := coatchecktest.NewScript(a)
	marker.SetCookie(sid+"-lax", victim.Cookies()[sid+"-lax"])
	if w := marker.Send("GET", "/profile"); w.Header().Get("Set-Cookie") != "" {
		t.Error("absence was answered with a cookie")
	}
	if got := userOf(victim); got != "alice" {
		t.Errorf("the session is %q", got)
	}
}
