package fiberadapter_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/fiberadapter"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/gofiber/fiber/v3/middleware/recover"
	"github.com/gofiber/fiber/v3/middleware/timeout"
)

// newShop has what most of the tests need.
func newShop(t *testing.T, cfg coatcheck.Config) *site {
	s := newSite(t, cfg)
	s.Use(recover.New(), fiberadapter.New(s.sessions))
	s.Post("/login", func(c fiber.Ctx) error {
		coatcheck.From(c.Context()).Login("123")
		return c.SendString("Logged in")
	})
	s.Post("/logout", func(c fiber.Ctx) error {
		coatcheck.From(c.Context()).Logout()
		return c.SendString("Logged out")
	})
	s.Get("/user", func(c fiber.Ctx) error { return c.SendString(coatcheck.From(c.Context()).User()) })
	s.Get("/static", func(c fiber.Ctx) error { return c.SendString("static") })
	s.Post("/note", func(c fiber.Ctx) error {
		note.Set(coatcheck.From(c.Context()), c.Query("text"))
		return nil
	})
	s.Get("/profile", fiberadapter.With(s.sessions.RequireLogin), func(c fiber.Ctx) error {
		s := coatcheck.From(c.Context())
		n := visits.Update(s, func(n int) int { return n + 1 })
		return c.SendString(fmt.Sprintf("User %s, visit %d", s.User(), n))
	})
	return s
}

// The steps of the README. G3, G6: a login makes a new token, in a Strict cookie.
// G12: the answer is for no cache.
func TestQuickstart(t *testing.T) {
	v := newShop(t, coatcheck.Config{}).serve(t)
	v.want(401, "", "GET /profile")
	h := v.want(200, "Logged in", "POST /login")
	if set := strings.Join(h["Set-Cookie"], "\n"); len(h["Set-Cookie"]) != 2 || !strings.Contains(set, sid+"=") ||
		!strings.Contains(set, "; HttpOnly") || !strings.Contains(set, "SameSite=Strict") || !strings.Contains(set, sid+"-lax=") {
		t.Errorf("Set-Cookie is %q, want a Strict session cookie and its marker", h["Set-Cookie"])
	}
	if h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Cookie" {
		t.Errorf("got Cache-Control %q and Vary %q, want no-store and Cookie", h["Cache-Control"], h["Vary"])
	}
	first := v.other()
	v.want(200, "User 123, visit 1", "GET /profile")
	v.want(200, "User 123, visit 2", "GET /profile")
	v.want(200, "Logged in", "POST /login")
	v.want(200, "User 123, visit 3", "GET /profile")
	if h := first.want(0, "", "GET /profile"); len(h["Set-Cookie"]) != 0 {
		t.Errorf("a token that was replaced: it sets %q", h["Set-Cookie"])
	}
	v.want(200, "Logged out", "POST /logout")
	v.want(401, "", "GET /profile")
	if len(v.jar) != 0 {
		t.Errorf("after the logout: cookies %v, want none", v.jar)
	}
}

// G5: a route that does not look survives an outage; elsewhere it is 503 and no
// "not logged in", and of the handlers' answer nothing is left. G1: a change is
// no more stored than it is reported.
func TestOutage(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	s.Get("/own", func(c fiber.Ctx) error {
		c.Set("X-Private", "of the handler")
		c.Cookie(&fiber.Cookie{Name: "own", Value: "x"})
		note.Set(coatcheck.From(c.Context()), "x")
		return c.SendStream(strings.NewReader("a stream"))
	})
	v := s.serve(t)
	v.want(200, "", "POST /login")
	s.store.down.Store(true)
	v.want(200, "static", "GET /static")
	v.want(503, "", "GET /user")
	v.want(503, "", "GET /profile")
	h := v.want(503, "", "GET /own")
	if h.Get("X-Private") != "" || len(h["Set-Cookie"]) != 0 || h.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("of the replaced answer is left: %v", h)
	}
	s.store.down.Store(false)
	v.want(200, "User 123, visit 1", "GET /profile")
}

// An error that a handler returns is the ErrorHandler's answer, and commits as
// any other: its status stays, and the cookie goes with it.
func TestErrors(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	s.Post("/teapot", func(c fiber.Ctx) error {
		visits.Set(coatcheck.From(c.Context()), 7)
		return fiber.NewError(fiber.StatusTeapot, "short and stout")
	})
	v := s.serve(t)
	v.want(418, "short and stout", "POST /teapot")
	if v.jar[sid] == "" {
		t.Error("no session cookie beside the error")
	}
	v.want(404, "", "GET /nowhere")
	v.want(200, "Logged in", "POST /login")
	v.want(200, "User 123, visit 8", "GET /profile")
}

// G4: after a panic nothing is stored of what waited, whoever recovers.
func TestPanic(t *testing.T) {
	broken := func(c fiber.Ctx) error {
		s := coatcheck.From(c.Context())
		s.Login("somebody else")
		visits.Set(s, 100)
		panic("a fault of the program")
	}
	for name, inside := range map[string][]any{
		"outside": {broken},
		"inside":  {recover.New(), fiberadapter.With(coatcheck.DropOnPanic), broken},
		"members": {recover.New(), nil, broken},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, coatcheck.Config{})
			if name == "members" {
				inside[1] = fiberadapter.With(s.sessions.Require)
			}
			s.Post("/broken", inside[0], inside[1:]...)
			v := s.serve(t)
			v.want(500, "", "POST /broken")
			if n := s.rows(t); n != 0 || len(v.jar) != 0 {
				t.Errorf("%d sessions and cookies %v, want none", n, v.jar)
			}
			v.want(200, "", "POST /login")
			v.want(500, "", "POST /broken")
			v.want(200, "User 123, visit 1", "GET /profile")
		})
	}
}

// G2: a write that finds its session ended is never reported as done. G7: a
// request from another site whose cookie was withheld overwrites nothing. G6:
// one with effects is refused before its handler. G8: a forged cookie, and a
// quoted one, open nothing; of two cookies neither is believed.
func TestRefusals(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	v := s.serve(t)
	v.want(200, "", "POST /login")
	token := v.jar[sid]
	thief := v.other()
	delete(thief.jar, sid)
	thief.want(200, "123", "GET /user", "Cookie: "+sid+"="+token)
	thief.want(200, "", "GET /user", "Cookie: "+sid+`="`+token+`"`)
	last := "A"
	if strings.HasSuffix(token, last) {
		last = "E"
	}
	thief.want(200, "", "GET /user", "Cookie: "+sid+"="+token[:len(token)-1]+last)
	if s.events.Count(coatcheck.Refused) < 2 {
		t.Error("a forged cookie is no event")
	}
	delete(thief.jar, sid+"-lax")
	thief.want(200, "123", "GET /user", "Cookie: "+sid+"=x", "Cookie: "+sid+"="+token)

	held := v.other()
	delete(held.jar, sid)
	if h := held.want(409, "", "GET /profile", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"); len(h["Set-Cookie"]) != 0 {
		t.Errorf("held back: it sets %q", h["Set-Cookie"])
	}
	v.other().want(403, "", "POST /note?text=x", "Sec-Fetch-Site: cross-site", "Origin: https://elsewhere.example")

	copied := v.other()
	v.want(200, "", "POST /logout")
	if h := copied.want(409, "", "POST /note?text=x"); len(h["Set-Cookie"]) > 2 || strings.Contains(h.Get("Set-Cookie"), sid+"=A") {
		t.Errorf("after the end: it sets %q", h["Set-Cookie"])
	}
}

// G4: other cookies and header lines stay, one line each; a Set-Cookie of our name
// that is not ours never leaves. HEAD is answered as GET and keeps nothing.
func TestHeaders(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	s.Use(func(c fiber.Ctx) error {
		c.Cookie(&fiber.Cookie{Name: "a", Value: "1"})
		c.Cookie(&fiber.Cookie{Name: "b", Value: "2"})
		c.Append("Vary", "Accept")
		c.Set("Link", "</a>; rel=preload")
		c.Append("Link", "</b>; rel=preload")
		return c.Next()
	})
	s.Get("/many", func(c fiber.Ctx) error {
		c.Response().Header.Add("Set-Cookie", sid+"=planted; Path=/; Secure")
		visits.Set(coatcheck.From(c.Context()), 1)
		return c.Type("json").Status(201).SendString(`{}`)
	})
	v := s.serve(t)
	h := v.want(201, "{}", "GET /many")
	var names []string
	for _, line := range h["Set-Cookie"] {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	if want := []string{"a", "b", sid + "-lax", sid}; !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(want))) {
		t.Errorf("cookies %q, want %q", names, want)
	}
	if strings.Contains(strings.Join(h["Set-Cookie"], ""), "planted") {
		t.Errorf("a cookie of our name that is not ours left: %q", h["Set-Cookie"])
	}
	if h.Get("Vary") != "Accept, Cookie" || h.Get("Link") != "</a>; rel=preload, </b>; rel=preload" || !strings.HasPrefix(h.Get("Content-Type"), "application/json") {
		t.Errorf("headers: %v", h)
	}
	rows := s.rows(t)
	w := v.other()
	clear(w.jar)
	if h := w.want(201, "", "HEAD /many"); len(h["Set-Cookie"]) != 2 || s.rows(t) != rows {
		t.Errorf("HEAD: cookies %q and %d sessions, want a and b, and %d", h["Set-Cookie"], s.rows(t), rows)
	}
}

// G4: server-sent events work: the cookie comes before the first of them, later
// changes of a session that is there are kept, and the end of the session ends
// the stream.
func TestStream(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	noted := make(chan error, 1)
	s.Post("/events", func(c fiber.Ctx) error {
		s := coatcheck.From(c.Context())
		s.Login("123")
		s.Commit()
		ended := s.Ended()
		c.Set("Content-Type", "text/event-stream")
		return c.SendStreamWriter(func(w *bufio.Writer) {
			fmt.Fprintf(w, "data: hello %s\n\n", s.User())
			w.Flush()
			select {
			case <-ended:
			case <-time.After(time.Minute):
				return
			}
			fmt.Fprint(w, "data: bye\n\n")
			w.Flush()
		})
	})
	s.Post("/later", func(c fiber.Ctx) error {
		s := coatcheck.From(c.Context())
		s.User()
		return c.SendStreamWriter(func(w *bufio.Writer) {
			leave(w)
			visits.Set(s, 41)
			noted <- s.Commit()
		})
	})
	v := s.serve(t)
	stream := v.open("POST /events")
	defer stream.Body.Close()
	hello := make([]byte, len("data: hello 123\n\n"))
	if _, err := io.ReadFull(stream.Body, hello); err != nil || string(hello) != "data: hello 123\n\n" {
		t.Fatalf("got %q, %v", hello, err)
	}
	v.want(200, "", "POST /later")
	if err := <-noted; err != nil {
		t.Errorf("a change in a stream: %v", err)
	}
	v.want(200, "User 123, visit 42", "GET /profile")
	v.want(200, "", "POST /logout")
	if rest, err := io.ReadAll(stream.Body); err != nil || string(rest) != "data: bye\n\n" {
		t.Errorf("after the logout: got %q, %v, want bye and the end", rest, err)
	}
}

// leave writes more than fasthttp keeps for a stream whose answer has not begun.
func leave(w *bufio.Writer) {
	for range 64 {
		fmt.Fprint(w, "x")
		w.Flush()
	}
}

// G12, G4: what comes too late in a stream is an error and an event: a first look,
// and a change that would need a cookie.
func TestStreamTooLate(t *testing.T) {
	for name, f := range map[string]func(*coatcheck.Session){
		"look":   func(s *coatcheck.Session) { s.User() },
		"change": func(s *coatcheck.Session) { note.Set(s, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, coatcheck.Config{})
			told := make(chan error, 1)
			s.Post("/late", func(c fiber.Ctx) error {
				s := coatcheck.From(c.Context())
				if name == "change" {
					s.User()
				}
				return c.SendStreamWriter(func(w *bufio.Writer) {
					leave(w)
					f(s)
					told <- s.Err()
				})
			})
			v := s.serve(t)
			v.want(200, "", "POST /late")
			if err := <-told; err == nil || s.events.Count(coatcheck.Late) != 1 {
				t.Errorf("got %v and %d events, want ErrLate and one", err, s.events.Count(coatcheck.Late))
			}
			if n := s.rows(t); n != 0 {
				t.Errorf("%d sessions, want none", n)
			}
		})
	}
}

// G4: a connection may be hijacked, as for websockets: the answer to the upgrade
// sets the cookie, the session can be changed until the connection is done, and
// its end is told.
func TestHijack(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	s.Get("/socket", func(c fiber.Ctx) error {
		s := coatcheck.From(c.Context())
		if s.User() == "" {
			s.Login("123")
			s.Commit()
		}
		ended := s.Ended()
		c.Status(fiber.StatusSwitchingProtocols)
		c.Set("Connection", "Upgrade")
		c.Set("Upgrade", "echo")
		c.RequestCtx().Hijack(func(conn net.Conn) {
			visits.Set(s, 6)
			fmt.Fprintln(conn, "stored:", s.Commit())
			select {
			case <-ended:
				fmt.Fprintln(conn, "bye")
			case <-time.After(time.Minute):
			}
		})
		return nil
	})
	v := s.serve(t)
	conn, err := net.Dial("tcp", v.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", v.addr)
	br := bufio.NewReader(conn)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 || len(res.Cookies()) != 2 {
		t.Fatalf("got %v, %v, want 101 with the cookies", res, err)
	}
	for _, c := range res.Cookies() {
		v.jar[c.Name] = c.Value
	}
	if line, err := br.ReadString('\n'); err != nil || line != "stored: <nil>\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	v.want(200, "User 123, visit 7", "GET /profile")
	v.want(200, "", "POST /logout")
	if line, err := br.ReadString('\n'); err != nil || line != "bye\n" {
		t.Errorf("after the logout: got %q, %v", line, err)
	}
}

// G4: after Fiber's time-out has answered nothing is stored, and a change is an
// error. G5: a replaced upgrade hijacks nothing.
func TestTimeout(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	told := make(chan error, 1)
	s.Post("/slow", timeout.New(func(c fiber.Ctx) error {
		s := coatcheck.From(c.Context())
		s.User()
		<-c.Context().Done()
		for range 1000 { // until the time-out has answered
			if note.Set(s, "x"); s.Err() != nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		told <- s.Err()
		return nil
	}, timeout.Config{Timeout: 20 * time.Millisecond}))
	v := s.serve(t)
	v.want(408, "", "POST /slow")
	if err := <-told; err == nil {
		t.Error("a change after the time-out is no error")
	}
	if n := s.rows(t); n != 0 {
		t.Errorf("%d sessions, want none", n)
	}
}

// G4: what waited at Fiber's time-out is dropped, and the event says so: nothing
// has panicked.
func TestTimeoutIsNoPanic(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	answered := make(chan struct{})
	s.Post("/slow", timeout.New(func(c fiber.Ctx) error {
		note.Set(coatcheck.From(c.Context()), "x")
		<-answered
		return nil
	}, timeout.Config{Timeout: 20 * time.Millisecond}))
	s.Post("/panic", func(c fiber.Ctx) error {
		note.Set(coatcheck.From(c.Context()), "x")
		panic("oh")
	})
	v := s.serve(t)
	for _, test := range []struct{ what, want string }{
		{"POST /slow", "not saved: a time-out had answered"},
		{"POST /panic", "not saved: the handler panicked"},
	} {
		if test.what == "POST /slow" {
			v.want(408, "", test.what)
			close(answered)
		} else {
			v.want(500, "", test.what)
		}
		if e := s.events.All(); len(e) != 1 || e[0].Kind != coatcheck.Late || e[0].Reason != test.want {
			t.Errorf("%s: got the events %+v, want one that says %q", test.what, e, test.want)
		}
		s.events.Reset()
	}
	if n := s.rows(t); n != 0 {
		t.Errorf("%d sessions, want none", n)
	}
}

// Two managers serve one request, each with its cookie; one that fails leaves the
// other's.
func TestManagers(t *testing.T) {
	s := newSite(t, coatcheck.Config{})
	other := manage(t, s.store, coatcheck.Config{Name: "__Host-other"})
	s.Use(fiberadapter.New(s.sessions), fiberadapter.New(other))
	s.Post("/both", func(c fiber.Ctx) error {
		s.sessions.From(c.Context()).Login("123")
		other.From(c.Context()).Login("456")
		return nil
	})
	s.Post("/one", func(c fiber.Ctx) error {
		s.sessions.From(c.Context()).Login("")
		other.From(c.Context()).Login("456")
		other.From(c.Context()).Commit()
		return nil
	})
	s.Get("/members", fiberadapter.With(s.sessions.RequireLogin), fiberadapter.With(other.RequireLogin), func(c fiber.Ctx) error {
		return c.SendString(s.sessions.From(c.Context()).User() + other.From(c.Context()).User())
	})
	v := s.serve(t)
	v.want(200, "", "POST /both")
	v.want(200, "123456", "GET /members")
	clear(v.jar)
	if h := v.want(500, "", "POST /one"); len(h["Set-Cookie"]) != 2 || v.jar["__Host-other"] == "" {
		t.Errorf("cookies %v, want the other manager's, which is stored", v.jar)
	}
	v.want(401, "", "GET /members")
}

// G7: a landing leads on before the handlers. A request that no URL can be made
// of is 400.
func TestLanding(t *testing.T) {
	s := newShop(t, coatcheck.Config{Landing: func(r *http.Request) bool { return r.URL.Path == "/user" }})
	v := s.serve(t)
	v.want(200, "", "POST /login")
	delete(v.jar, sid)
	h := v.want(200, "", "GET /user", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
	if !strings.HasPrefix(h.Get("Content-Type"), "text/html") || h.Get("Content-Security-Policy") == "" {
		t.Errorf("headers %v, want those of the page that leads on", h)
	}
}

// The visitor of a test that calls the application without a server.
func TestWithoutServer(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	r, err := http.NewRequest("POST", "http://app.example/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Test(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if len(res.Cookies()) != 2 {
		t.Errorf("cookies %v, want the session's", res.Cookies())
	}
}

// With without New says what to do.
func TestWithAlone(t *testing.T) {
	s := newSite(t, coatcheck.Config{})
	s.Use(recover.New())
	s.Get("/", fiberadapter.With(s.sessions.RequireLogin))
	v := s.serve(t)
	v.want(500, "fiberadapter: With without New around it; want app.Use(fiberadapter.New(sessions)) before", "GET /")
}

// What the guide says of Fiber's own adaptor: the handlers are called after
// Handler has returned, and From panics. If it is not so any more, the guide is to
// say so.
func TestFibersOwnAdaptor(t *testing.T) {
	s := newSite(t, coatcheck.Config{})
	order := make(chan string, 3)
	s.Use(recover.New(), adaptor.HTTPMiddleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.sessions.Handler(next).ServeHTTP(w, r)
			order <- "Handler has returned"
		})
	}))
	s.Get("/", func(c fiber.Ctx) error {
		order <- "handler"
		return c.SendString(coatcheck.From(c.Context()).User())
	})
	s.serve(t).want(500, "", "GET /")
	if first := <-order; first != "Handler has returned" {
		t.Errorf("first is %q", first)
	}
}

// Fiber's strings are fasthttp's memory, which the next request writes over. A user
// that came in a form stays who they are.
func TestUsersOfForms(t *testing.T) {
	s := newShop(t, coatcheck.Config{})
	s.Post("/sign-in", func(c fiber.Ctx) error {
		coatcheck.From(c.Context()).Login(c.Query("user"))
		return nil
	})
	v := s.serve(t)
	v.client.Transport.(*http.Transport).MaxConnsPerHost = 1 // one buffer for all
	people := map[string]*visitor{}
	for i := range 20 {
		user := fmt.Sprintf("user-%02d", i)
		people[user] = v.other()
		people[user].want(200, "", "POST /sign-in?user="+user)
	}
	for user, v := range people {
		v.want(200, user, "GET /user")
		if list, err := s.sessions.Sessions(t.Context(), user); err != nil || len(list) != 1 {
			t.Errorf("%s has %d sessions, %v, want one", user, len(list), err)
		}
	}
}

// fiber.Ctx is a context too, and has no session: the panic says what to write.
func TestFromOfFibersContext(t *testing.T) {
	s := newSite(t, coatcheck.Config{})
	said := make(chan string, 1)
	s.Use(recover.New(recover.Config{EnableStackTrace: true, StackTraceHandler: func(_ fiber.Ctx, fault any) { said <- fmt.Sprint(fault) }}), fiberadapter.New(s.sessions))
	s.Get("/", func(c fiber.Ctx) error { return c.SendString(coatcheck.From(c).User()) })
	s.serve(t).want(500, "", "GET /")
	if text := <-said; !strings.Contains(text, "From(c.Context())") {
		t.Errorf("the panic says %q, want what to write on Fiber", text)
	}
}
