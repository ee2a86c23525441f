package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/coatchecktest"
	"github.com/coatcheck/coatcheck/memstore"
)

// A login or a step-up in the request that adopted is of now, and is not remembered
// as the foreign session was (G6, RequireFresh).
func TestAdoptThenLogin(t *testing.T) {
	find := func(r *http.Request) (coatcheck.Adoption, error) {
		return coatcheck.Adoption{Identity: "x" + r.URL.Path, User: "bob", AuthTime: time.Now().Add(-48 * time.Hour), Remember: 20 * day, Until: moved}, nil
	}
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	adopt, err := m.Adopting(find)
	if err != nil {
		t.Fatal(err)
	}
	h := adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		switch r.URL.Path {
		case "/login":
			s.Login("eve")
		case "/reauth":
			s.Reauthenticate()
		}
		if err := s.Commit(); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, time.Since(s.AuthTime()).Round(time.Minute))
	}))
	for _, path := range []string{"/login", "/reauth"} {
		b := arrival(h, "bob-1")
		w := b.Send("POST", path)
		for _, c := range w.Result().Cookies() {
			if path == "/login" && c.Name == sidName && c.MaxAge > 24*3600 {
				t.Errorf("eve asked for no Remember; her cookie lasts %v", time.Duration(c.MaxAge)*time.Second)
			}
		}
		if w.Body.String() != "0s" {
			t.Errorf("%s: proven %s ago", path, w.Body)
		}
	}
}

// What the request itself has revoked before it looked is as a Logout (G2).
func TestG2RevokedBeforeTheLook(t *testing.T) {
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	n := coatcheck.NewKey[int]("n")
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		switch r.URL.Path {
		case "/login":
			s.Login("bob")
			return
		}
		if r.URL.Query().Has("before") {
			s.User()
		}
		if _, err := m.RevokeAll(r.Context(), "bob"); err != nil {
			t.Error(err)
		}
		s.User()
		switch r.URL.Path {
		case "/reload":
			fmt.Fprintln(w, s.Reload(), s.Err())
		case "/reauth":
			s.Reauthenticate()
			fmt.Fprintln(w, s.Err())
		case "/panic":
			func() {
				defer func() { recover() }()
				coatcheck.DropOnPanic(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(1) })).ServeHTTP(w, r)
			}()
			n.Set(s, 1)
			fmt.Fprintln(w, s.Err())
		case "/set":
			n.Set(s, 1)
			fmt.Fprintln(w, s.Err())
		}
	}))
	for _, path := range []string{"/reload", "/reauth", "/panic", "/set"} {
		var got [2]string
		for i, q := range []string{"?before", ""} {
			b := newBrowser(h)
			b.Send("POST", "/login")
			w := b.Send("POST", path+q)
			got[i] = fmt.Sprint(w.Code, " ", w.Body.String())
		}
		if got[0] != got[1] {
			t.Errorf("%s: looked before %q, after %q", path, got[0], got[1])
		}
	}
}

// With a Login an empty User says that nobody is logged in there: that opens nothing.
func TestAdoptNobody(t *testing.T) {
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	if ok, err := m.Adopt(context.Background(), coatcheck.Adoption{Identity: "x", User: "bob", Remember: day, Until: moved}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	h := finding(t, m, func(r *http.Request) (coatcheck.Adoption, error) {
		return coatcheck.Adoption{Identity: "x", Login: "nobody", AsOf: time.Now(), Until: moved}, nil
	})
	wantBody(t, "nobody is logged in there", arrival(h, "x").Send("GET", "/"), "[]")
}

// The end of an earlier login's session does not bring back a later login that was
// ended here (G2).
func TestEndAdoptedOfAnEarlierLogin(t *testing.T) {
	login := "one"
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{})
	adopt, err := m.Adopting(func(r *http.Request) (coatcheck.Adoption, error) {
		return coatcheck.Adoption{Identity: "x", Login: login, User: "bob", AsOf: time.Now(), AuthTime: time.Now(), Until: moved}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h := adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := coatcheck.From(r.Context())
		switch r.URL.Path {
		case "/logout":
			s.Logout()
		case "/over":
			if err := m.EndAdopted(r.Context(), ""); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprint(w, s.User())
	}))
	first := arrival(h, "x")
	wantBody(t, "the first login", first.Send("GET", "/"), "bob")
	login = "two"
	second := arrival(h, "x")
	wantBody(t, "the second login", second.Send("GET", "/"), "bob")
	wantBody(t, "its logout", second.Send("POST", "/logout"), "")
	wantBody(t, "the second login after its logout", arrival(h, "x").Send("GET", "/"), "")
	wantBody(t, "the first one's end", first.Send("POST", "/over"), "")
	wantBody(t, "the second login, which was ended here", arrival(h, "x").Send("GET", "/"), "")
}

// What was imported and has ended over there is nobody's fault: no event for each visit.
func TestImportedAndEnded(t *testing.T) {
	var events coatchecktest.Events
	m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Events: events.Record})
	if ok, err := m.Adopt(context.Background(), coatcheck.Adoption{Identity: "x", User: "bob", Remember: day, Until: moved}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	adopt, err := m.Adopting(func(r *http.Request) (coatcheck.Adoption, error) {
		return coatcheck.Adoption{Identity: "x", Until: moved}, nil // as bridge.MoveConfig.Imported
	})
	if err != nil {
		t.Fatal(err)
	}
	h := adopt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/over" {
			if err := m.EndAdopted(r.Context(), ""); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprint(w, coatcheck.From(r.Context()).User())
	}))
	b := arrival(h, "x")
	wantBody(t, "imported", b.Send("GET", "/"), "bob")
	wantBody(t, "over", b.Send("POST", "/over"), "")
	wantBody(t, "afterwards", arrival(h, "x").Send("GET", "/"), "")
	for _, e := range events.All() {
		if e.Kind == coatcheck.Refused {
			t.Errorf("%v %q %v", e.Kind, e.Reason, e.Err)
		}
	}
}
