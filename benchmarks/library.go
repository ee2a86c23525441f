package benchmarks

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"

	"github.com/coatcheck/coatcheck/store"
)

// A Library keeps sessions for the handlers of an application.
type Library struct {
	Name string
	// New makes an application whose sessions are kept in b. It fails with
	// errors.ErrUnsupported where the library has no such store.
	New func(b Backend) (App, error)
}

// Libraries are all that are measured, ours first. Bare and the floors are
// no libraries: they are what the work costs without one.
var Libraries = []Library{Coatcheck, SCS, Gorilla, Gin, Fiber, Iris}

// Edges are the ends of what is possible.
var Edges = []Library{Bare, Floor, FloorAPI, FloorKept}

// Loaded are the rows of load over HTTP. What is compared most closely stands
// side by side, and so is measured within the same seconds.
var Loaded = append([]Library{Bare, Floor, FloorAPI, FloorKept, Fair}, Libraries...)

// A Backend says where sessions are kept.
type Backend struct {
	Kind string // one of the constants below
	Addr string // host:port of Redis, URL of PostgreSQL, file of SQLite
	Idle bool   // with an idle timeout of 30 minutes

	Sessions int // that memory must have room for, where the default has not

	// Made is called with the store that coatcheck then uses; nil is nothing.
	Made func(store.Store) `json:"-"`

	// Router puts libraries for net/http behind chi, as applications do. The
	// others bring their own.
	Router bool
}

// The kinds of backends.
const (
	Memory      = "memory"
	InCookie    = "cookie"
	Redis       = "redis"
	RedisCached = "redis-cached" // with a cache in the client
	Postgres    = "postgres"
	SQLite      = "sqlite"
	SQLiteFull  = "sqlite-full" // each commit durable
	MariaDB     = "mariadb"

	RedisDurable = "redis-durable" // a server whose commits are on the disk; see servers.RedisDurable
)

// unsupported is the error for a backend that a library has not.
func unsupported(b Backend) (App, error) {
	return nil, fmt.Errorf("%w: sessions in %s", errors.ErrUnsupported, b.Kind)
}

// An App is an application that uses a library. It answers these paths:
//
//	/bare       no session middleware at all, where the library brings a router
//	/untouched  does not look at the session
//	/read       reads one value
//	/count      adds one to a counter; its answer is the new number
//	/set        sets one value
//	/login      binds a user, ?user=7 or else always the same; new id, values kept, where the library can
//	/fill?n=10  logs in and sets so many small values
//	/page       reads three values, shows a flash, leaves one, and counts
//	/form       reads them, leaves a flash, and counts
//	/after      reads them, and shows the flash
//	/profile    is /read, and /cart is /count, by a handler that sets Content-Type
//	/fill4k     logs in and sets a value of 4,000 bytes, and a small one
type App interface {
	// Browser returns a client without cookies, for one goroutine.
	Browser() Browser
	// Serve serves HTTP with the server that the library's users have.
	Serve(l net.Listener) error
	// Close frees what New opened.
	Close() error
}

// A Browser sends requests straight into the application, without a network,
// and keeps cookies as a browser does.
type Browser interface {
	// Visit sends a request and returns status and body.
	Visit(method, path string) (int, string)
	// Again returns a function that sends the same request each time it is
	// called, with the cookies of now. With follow it takes a new session
	// cookie from each answer into the next request. It allocates nothing of
	// its own, and panics where the answer is an error.
	Again(method, path string, follow bool) func()
}

// Join returns a client of another instance of an application, with the
// cookies that b has from the first.
func Join(b Browser, app App) Browser {
	return &webBrowser{h: app.(web).Handler, jar: b.(*webBrowser).jar}
}

// Among returns a function that sends a request with the cookies of one of the
// browsers. What comes from the network is in the caches of a server already,
// and many clients' own memory would not be: warm puts it there.
func Among(list []Browser, method, path string) (send, warm func(i int)) {
	if _, ok := list[0].(*fiberBrowser); ok {
		return amongFiber(list, method, path)
	}
	cookies := make([]string, len(list))
	for i, b := range list {
		cookies[i] = strings.Join(b.(*webBrowser).jar, "; ")
	}
	b := list[0].(*webBrowser)
	again, line := b.again(method, path)
	return func(i int) {
			*line = cookies[i]
			again()
		}, func(i int) {
			touched(cookies[i])
		}
}

// touched reads all of a text.
func touched(text string) (sum int) {
	for i := range len(text) {
		sum += int(text[i])
	}
	if sum == 1 { // which no text is; the compiler must not know
		panic("an empty text")
	}
	return sum
}

// An Op is one row of the tables: a request in a prepared session.
type Op struct {
	Name, Method, Path string
	Fill               string // path that prepares the session; empty = no cookie
	Follow             bool
}

// Ops are the rows.
var Ops = []Op{
	{Name: "untouched", Method: "GET", Path: "/untouched", Fill: "/fill?n=10"},
	{Name: "no-cookie", Method: "GET", Path: "/untouched"},
	{Name: "read", Method: "GET", Path: "/read", Fill: "/fill?n=10"},
	{Name: "count", Method: "POST", Path: "/count", Fill: "/fill?n=10"},
	{Name: "first-write", Method: "POST", Path: "/set"},
	{Name: "login", Method: "POST", Path: "/login", Fill: "/fill?n=10", Follow: true},
	{Name: "read-4KiB", Method: "GET", Path: "/read", Fill: "/fill4k"},
}

// Prepare returns a client in the session of the op.
func (o Op) Prepare(app App) (Browser, error) {
	b := app.Browser()
	if o.Fill != "" {
		if status, body := b.Visit("POST", o.Fill); status != 200 {
			return nil, fmt.Errorf("%s: status %d: %s", o.Fill, status, body)
		}
	}
	return b, nil
}

// What the handlers keep and answer.
const (
	textName  = "text"
	textValue = "a small value"
	countName = "count"
	userName  = "user" // where the library knows no user
	userValue = "alice"
	flashText = "Saved."
	flashName = "flash" // where the library knows no flashes
	largeName = "a large one"

	extraValue = "another value"

	UserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	secret    = "kZ7-qW3.xR9_vT5:nB1/yL8+pD4=hF6s" // 32 bytes, of no use elsewhere
	secret2   = "mC2!jG7?eU9*aS4~wX6^tK1@oI3%rN8b"
)

var okBody = []byte("ok")

func extraName(i int) string { return fmt.Sprint("key", i) }

// pageNames are the values that /page reads.
var pageNames = [3]string{textName, extraName(0), extraName(1)}

// extra are the n values of a session that are neither the text nor the count.
func extra(n int) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range n - 2 {
			if !yield(extraName(i), extraValue) {
				return
			}
		}
	}
}
