package e2e_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/cookie"
	"github.com/coatcheck/coatcheck/memstore"
)

// A signIn is examples/oidc at app.test and an OpenID provider at localhost, both
// as programs of their own, and a page of mails at evil.test.
type signIn struct {
	*site
	issuer string
	outbox string
}

// built are programs of examples, by whoever asks first.
var built struct {
	sync.Mutex
	paths map[string]string
}

func build(t *testing.T, pkg string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if path, ok := built.paths[pkg]; ok {
		return path
	}
	dir, err := folder()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(pkg))
	if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	if built.paths == nil {
		built.paths = make(map[string]string)
	}
	built.paths[pkg] = path
	return path
}

// trust is a file with the CA of the hosts, for programs that call them.
func trust(t *testing.T) string {
	t.Helper()
	i, err := issue()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hosts.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.authority}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// run starts a program until the test ends, and returns a proxy to where it says
// that it serves.
func run(t *testing.T, program string, stdin any, env []string, args ...string) http.Handler {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	in, err := json.Marshal(stdin)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = strings.NewReader(string(in))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // which tells that it was killed
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(program), &errs)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Wait()
		t.Fatalf("%s did not start: %v\n%s", filepath.Base(program), err, &errs)
	}
	to, err := url.Parse(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorLog: log.New(io.Discard, "", 0), // a browser that leaves is no failure
	}
}

func newSignIn(t *testing.T) *signIn {
	t.Helper()
	s := &signIn{site: &site{t: t}, outbox: t.TempDir()}
	s.start()
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	provider := httptest.NewUnstartedServer(nil)
	t.Cleanup(provider.Close)
	provider.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	provider.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.issuer = fmt.Sprintf("https://localhost:%s", portOfUnstarted(provider))
	env := []string{"SSL_CERT_FILE=" + trust(t), "SECRET_KEY=q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa", "CLIENT_SECRET=s3cret"}
	app, err := url.Parse(s.app)
	if err != nil {
		t.Fatal(err)
	}
	provider.Config.Handler = run(t, build(t, "../examples/internal/openid/provider"), map[string]any{
		"Users": map[string]string{"alice": "wonder"},
		"Clients": []any{map[string]any{
			"ID": "oidc", "Secret": "s3cret", "Redirects": []string{s.app + "/callback"}, "LoggedOut": []string{s.app + "/"},
			"BackChannel": "https://localhost:" + app.Port() + "/ended", // only browsers know app.test
		}},
	}, env, "-issuer", s.issuer)
	provider.StartTLS()
	h := run(t, build(t, "../examples/oidc"), nil, env, "-addr", "localhost:0", "-url", s.app, "-issuer", s.issuer, "-outbox", s.outbox)
	s.handler.Store(&h)
	return s
}

// portOfUnstarted is portOf for a server that has not started.
func portOfUnstarted(server *httptest.Server) string {
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	return port
}

// is waits for the application's home page, for user with things in the cart.
func (s *signIn) is(b *tab, user, things string) {
	b.t.Helper()
	b.until("document.readyState == 'complete' && location.href == " + quote(s.app+"/") + " && document.querySelector('#app')?.dataset.user === " + quote(user) +
		" && document.querySelector('#app').dataset.cart === " + quote(things))
}

// keeps puts something into the cart.
func (s *signIn) keeps(b *tab) {
	b.t.Helper()
	b.open(s.app + "/")
	s.is(b, "", "0")
	b.click("#keep")
	s.is(b, "", "1")
}

// password types it at the provider.
func (s *signIn) password(b *tab) {
	b.t.Helper()
	b.until("location.href.startsWith(" + quote(s.issuer+"/login") + ") && document.querySelector('#provider button')")
	eval[bool](b, "document.querySelector('[name=user]').value = 'alice', document.querySelector('[name=password]').value = 'wonder', true")
	b.click("#provider button")
}

// came is how the first request of a way back came.
func came(t *testing.T, s *signIn, method string, n int) visit {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var list []visit
		for _, v := range s.seen("app.test", "/callback") {
			if v.method == method {
				list = append(list, v)
			}
		}
		if len(list) > n {
			return list[n]
		}
	}
	t.Fatalf("no %s of /callback:\n%s", method, s.dump())
	return visit{}
}

// brings says which of the session's cookies a request brought.
func brings(v visit) string {
	switch {
	case v.cookie(sidName) != "":
		return "`Strict`, `Lax`"
	case v.cookie(markName) != "":
		return "`Lax`"
	}
	return "neither"
}

// G7: the code flow. The browser keeps the session's cookie back on the way from
// the provider; the landing brings it, with the state and the cart. A logout at
// the provider ends the session in the application, and nothing else does.
func TestCodeFlow(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := newSignIn(t)
		b := e.newTab(t)
		s.keeps(b)
		b.click("#query")
		s.password(b)
		s.is(b, "alice", "1")
		v := came(t, s, "GET", 0)
		e.saw(t, "the way back from a provider, by GET after a password", brings(v))

		other := e.newTab(t) // another browser
		other.open(s.app + v.uri)
		other.until("document.querySelector('#again')")

		at := b.another()
		at.open(s.issuer + "/logout")
		at.until("document.querySelector('#says')?.textContent == 'alice is logged in'")
		at.click("#provider button")
		at.until("document.querySelector('#says')?.textContent == 'Logged out'")
		if v := s.seen("localhost", "/ended"); len(v) != 1 || v[0].status != http.StatusOK {
			t.Errorf("the logout token: got %v, want one answer 200", v)
		}
		b.open(s.app + "/")
		s.is(b, "", "0")
		b.click("#query") // at once, in the same browser (G2)
		s.password(b)
		s.is(b, "alice", "0")
	})
}

// G7: whoever is signed in at the provider comes back without a click, by redirects
// alone, also with form_post.
func TestSingleSignOn(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := newSignIn(t)
		b := e.newTab(t)
		s.keeps(b)
		b.click("#query")
		s.password(b)
		s.is(b, "alice", "1")
		n := len(s.seen("app.test", "/callback"))
		for i, by := range []string{"query", "form_post"} {
			b.drop(s.app, sidName) // as if the session had come to its end
			b.drop(s.app, markName)
			s.keeps(b)
			b.click("#" + by)
			s.is(b, "alice", "1")
			if i == 0 {
				e.saw(t, "the same where it asks nothing", brings(s.seen("app.test", "/callback")[n]))
			}
		}
	})
}

// G7: form_post brings no cookie of the session. The state is in a cookie of its
// own, and the form that a page of ours sends once more brings the rest.
func TestFormPostAtAProvider(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := newSignIn(t)
		b := e.newTab(t)
		s.keeps(b)
		b.click("#form_post")
		s.password(b)
		s.is(b, "alice", "1")
		e.saw(t, "by a form that the provider's page posts", brings(came(t, s, "POST", 0)))
		if first, second := came(t, s, "POST", 0), came(t, s, "POST", 1); first.status != http.StatusOK || len(first.sets) > 0 || second.status != http.StatusSeeOther {
			t.Errorf("got %v and %v, want the form once more and then a login", first, second)
		}
		if n := len(s.seen("app.test", "/callback")); n != 2 {
			t.Errorf("%d requests of /callback, want 2:\n%s", n, s.dump())
		}
		b.open(s.app + "/")
		s.is(b, "alice", "1")
	})
}

var inMail = regexp.MustCompile(`https://\S+`)

// G7: a link in a mail logs in, from a page of mails and from a program, and what
// was kept before stays.
func TestMailLink(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		for _, from := range []string{"a page of mails", "a mail program"} {
			s := newSignIn(t)
			b := e.newTab(t)
			s.keeps(b)
			b.click("#mail")
			b.until("document.querySelector('#sent')")
			mails, err := filepath.Glob(filepath.Join(s.outbox, "*.eml"))
			if err != nil || len(mails) != 1 {
				t.Fatalf("%d mails: %v", len(mails), err)
			}
			text, err := os.ReadFile(mails[0])
			if err != nil {
				t.Fatal(err)
			}
			link := inMail.FindString(string(text))
			if from == "a mail program" {
				b.open("about:blank")
				b.open(link)
			} else {
				b.open(s.page(s.evil, `<a id=go href="`+link+`">log in</a>`))
				b.click("#go")
			}
			b.until("location.href == " + quote(link) + " && document.querySelector('#in button')")
			b.click("#in button")
			s.is(b, "mail:bob@example.org", "1")
			b.open(link) // once
			b.until("document.querySelector('#in button')")
			b.click("#in button")
			b.until("document.querySelector('#again')")
		}
	})
}

// G7: a handler that misses its state because the browser withheld the cookie
// can tell that from a state that was never there, also without Landing: the page
// for what was held back leads on to the state, and a stranger is refused at once.
func TestWithheld(t *testing.T) {
	state := coatcheck.NewKey[string]("state")
	engines(t, func(t *testing.T, e *engine) {
		s := &site{t: t}
		s.start()
		keys, err := cookie.NewKeys("q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
		if err != nil {
			t.Fatal(err)
		}
		m, err := coatcheck.New(memstore.New(memstore.Config{}), keys, coatcheck.Config{Events: s.events.Record})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /begin", func(w http.ResponseWriter, r *http.Request) {
			state.Set(m.From(r.Context()), "4711")
			io.WriteString(w, "<!doctype html><p id=begun>")
		})
		mux.HandleFunc("GET /back", func(w http.ResponseWriter, r *http.Request) {
			v, ok := state.Pop(m.From(r.Context()))
			switch {
			case ok && v == r.FormValue("state"):
				io.WriteString(w, "<!doctype html><p id=welcome>")
			case m.From(r.Context()).Withheld():
				coatcheck.AnswerError(w, r, coatcheck.ErrHeldBack)
			default:
				w.WriteHeader(http.StatusForbidden)
				io.WriteString(w, "<!doctype html><p id=forged>")
			}
		})
		h := m.Handler(mux)
		s.handler.Store(&h)

		b := e.newTab(t)
		b.open(s.app + "/begin")
		b.until("document.querySelector('#begun')")
		before := b.cookies(s.app)
		b.follows(s, "/back?state=4711")
		b.leadsOn("/back?state=4711")
		if v := s.await("/back", 1)[0]; v.status != http.StatusConflict || len(v.sets) > 0 || s.events.Count(coatcheck.HeldBack) != 1 {
			t.Errorf("got %v and %d events, want 409, no cookie and one", v, s.events.Count(coatcheck.HeldBack))
		}
		b.click("a")
		b.until("document.querySelector('#welcome')")
		same(t, before, b.cookies(s.app))

		stranger := e.newTab(t)
		stranger.follows(s, "/back?state=4711")
		stranger.until("document.querySelector('#forged')")
		if n := s.events.Count(coatcheck.HeldBack); n != 1 {
			t.Errorf("%d events, want none for a stranger", n-1)
		}
	})
}
