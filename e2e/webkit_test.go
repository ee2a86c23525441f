package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coatcheck/coatcheck/internal/freeport"
)

// webkit is WebKitGTK's MiniBrowser, driven by WebDriver. Its driver knows one
// jar, so that each jar is a browser of its own; all are on one screen that
// nobody sees.
type webkit struct {
	programs map[string]string
	screen   *exec.Cmd
	display  string
	proxy    *http.Server
	at       string // the proxy's address
	is       string
}

func launchWebKit(programs map[string]string) (d driver, err error) {
	w := &webkit{programs: programs}
	found, _ := filepath.Glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
	if len(found) == 0 {
		return nil, errors.New("no MiniBrowser beside WebKitGTK")
	}
	programs["MiniBrowser"] = found[len(found)-1]
	defer func() {
		if err != nil {
			w.stop()
		}
	}()
	if err := w.startScreen(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.at = listener.Addr().String()
	w.proxy = &http.Server{Handler: http.HandlerFunc(tunnel)}
	go w.proxy.Serve(listener)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	p, err := w.jar(ctx) // it tells its version
	if err != nil {
		return nil, err
	}
	p.close()
	return w, nil
}

// startScreen starts an X server on a display that is free.
func (w *webkit) startScreen() error {
	r, wr, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	w.screen = exec.Command(w.programs["Xvfb"], "-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp")
	w.screen.ExtraFiles = []*os.File{wr}
	err = w.screen.Start()
	wr.Close()
	if err != nil {
		w.screen = nil
		return err
	}
	r.SetReadDeadline(time.Now().Add(patience))
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		return fmt.Errorf("Xvfb: %w", err)
	}
	w.display = ":" + strings.TrimSpace(line)
	return nil
}

// tunnel is a proxy by which every host is this machine: WebKit has no table of
// its own for names.
func tunnel(w http.ResponseWriter, r *http.Request) {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(w, "want a port", http.StatusBadRequest)
		return
	}
	if r.Method != http.MethodConnect {
		to := &url.URL{Scheme: "http", Host: "127.0.0.1:" + port}
		(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to); p.Out.Host = p.In.Host }}).ServeHTTP(w, r)
		return
	}
	to, err := net.DialTimeout("tcp", "127.0.0.1:"+port, patience)
	if err != nil {
		http.Error(w, "nobody there", http.StatusBadGateway)
		return
	}
	defer to.Close()
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(to, buf); to.(*net.TCPConn).CloseWrite() }()
	io.Copy(conn, to)
}

func (w *webkit) version() string { return w.is }

func (w *webkit) stop() {
	if w.proxy != nil {
		w.proxy.Close()
	}
	if w.screen != nil {
		w.screen.Process.Kill()
		w.screen.Wait()
	}
}

func (w *webkit) jar(ctx context.Context) (page, error) { return w.start(ctx) }

func (w *webkit) scriptless(ctx context.Context) (page, error) {
	return w.start(ctx, "--enable-javascript=false")
}

// start starts a browser with more arguments than the usual ones. On a busy
// machine it may never connect to its driver; then another is started.
func (w *webkit) start(ctx context.Context, more ...string) (page, error) {
	for {
		once, cancel := context.WithTimeout(ctx, patience/2)
		p, err := w.startOnce(once, more)
		hung := err != nil && once.Err() != nil && ctx.Err() == nil
		cancel()
		if !hung {
			return p, err
		}
	}
}

func (w *webkit) startOnce(ctx context.Context, more []string) (page, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	home, err := subfolder("webkit")
	if err != nil {
		return nil, err
	}
	b := &webkitBrowser{cmd: exec.Command(w.programs["WebKitWebDriver"], "--port="+port)}
	b.cmd.Env = append(os.Environ(), "DISPLAY="+w.display, "GDK_BACKEND=x11", "HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"),
		"NO_AT_BRIDGE=1", "GIO_USE_VFS=local", "GSETTINGS_BACKEND=memory", "LIBGL_ALWAYS_SOFTWARE=1", "WEBKIT_DISABLE_COMPOSITING_MODE=1", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1")
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the browser goes with it
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	if err := b.connect(ctx, "http://127.0.0.1:"+port, w, more); err != nil {
		b.stop()
		return nil, err
	}
	var handle string
	if err := b.d.call(ctx, "GET", "/window", nil, &handle); err != nil {
		b.stop()
		return nil, err
	}
	b.at = handle
	return &webkitPage{b: b, handle: handle, first: true}, nil
}

func freePort() (string, error) {
	port, err := freeport.Reserve()
	return strconv.Itoa(port), err
}

// webkitBrowser is a browser and its driver. Commands are for the tab that the
// driver is switched to, so there is one at a time.
type webkitBrowser struct {
	cmd    *exec.Cmd
	d      *webDriver
	mu     sync.Mutex
	at     string // the tab
	helper string // the tab that is there to read the jar; empty: none yet
}

func (b *webkitBrowser) connect(ctx context.Context, driver string, w *webkit, more []string) error {
	for { // until the driver listens
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(driver, "http://"))
		if err == nil {
			conn.Close()
			break
		}
		if ctx.Err() != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	d, is, err := startSession(ctx, driver, map[string]any{
		"acceptInsecureCerts": true,
		// The driver's own setting takes the proxy for https to be one that speaks TLS.
		"webkitgtk:browserOptions": map[string]any{"binary": w.programs["MiniBrowser"], "args": append([]string{"--automation", "--proxy=http://" + w.at}, more...)},
		"timeouts":                 map[string]any{"script": patience.Milliseconds(), "pageLoad": patience.Milliseconds()},
	})
	if err != nil {
		return err
	}
	b.d = d
	w.is, _ = is["browserVersion"].(string)
	return nil
}

func (b *webkitBrowser) stop() {
	if b.d != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		b.d.call(ctx, "DELETE", "", nil, nil)
		cancel()
	}
	syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
	b.cmd.Wait()
}

// in runs a command in a tab.
func (b *webkitBrowser) in(ctx context.Context, handle, method, path string, body, value any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.command(ctx, handle, method, path, body, value)
}

func (b *webkitBrowser) command(ctx context.Context, handle, method, path string, body, value any) error {
	if b.at != handle {
		if err := b.d.call(ctx, "POST", "/window", map[string]string{"handle": handle}, nil); err != nil {
			return err
		}
		b.at = handle
	}
	return b.d.call(ctx, method, path, body, value)
}

// webkitPage is a tab.
type webkitPage struct {
	b      *webkitBrowser
	handle string
	first  bool // whose end is that of the browser
}

func (p *webkitPage) id() string { return p.handle }

func (p *webkitPage) close() {
	if p.first {
		p.b.stop()
	}
}

func (p *webkitPage) open(ctx context.Context, url string) error {
	return p.b.in(ctx, p.handle, "POST", "/url", map[string]string{"url": url}, nil)
}

func (p *webkitPage) reload(ctx context.Context) error {
	return p.b.in(ctx, p.handle, "POST", "/refresh", nil, nil)
}

func (p *webkitPage) eval(ctx context.Context, script string) ([]byte, error) {
	var got struct{ Value, Error string }
	err := p.b.in(ctx, p.handle, "POST", "/execute/async", map[string]any{"args": []any{}, "script": `const done = arguments[arguments.length - 1];
		` + asJSON(script) + `.then(value => done({value}), error => done({error: String(error)}))`}, &got)
	if err == nil && got.Error != "" {
		err = errors.New(got.Error)
	}
	return []byte(got.Value), err
}

// elementKey is how WebDriver names an element's id.
const elementKey = "element-6066-11e4-a52e-4f735466cecf"

func (p *webkitPage) click(ctx context.Context, selector string) error {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	var found map[string]string
	if err := p.b.command(ctx, p.handle, "POST", "/element", map[string]string{"using": "css selector", "value": selector}, &found); err != nil {
		return err
	}
	err := p.b.command(ctx, p.handle, "POST", "/element/"+found[elementKey]+"/click", nil, nil)
	if err != nil && strings.Contains(err.Error(), "not interactable") { // below the fold of a part that scrolls by itself
		err = p.b.command(ctx, p.handle, "POST", "/execute/sync", map[string]any{"args": []any{found}, "script": "arguments[0].click()"}, nil)
	}
	return err
}

func (p *webkitPage) another(ctx context.Context) (page, error) {
	handle, err := p.window(ctx)
	return &webkitPage{b: p.b, handle: handle}, err
}

func (p *webkitPage) window(ctx context.Context) (string, error) {
	var made struct{ Handle string }
	err := p.b.in(ctx, p.handle, "POST", "/window/new", map[string]string{"type": "window"}, &made)
	return made.Handle, err
}

func (p *webkitPage) pages(ctx context.Context) (ids []string, err error) {
	err = p.b.in(ctx, p.handle, "GET", "/window/handles", nil, &ids)
	return ids, err
}

func (p *webkitPage) attach(_ context.Context, id string) (page, error) {
	return &webkitPage{b: p.b, handle: id}, nil
}

// look opens, in a tab of its own, a page that nobody counts: WebDriver tells
// the jar of the page that is open.
func (p *webkitPage) look(ctx context.Context, at string) (string, error) {
	u, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	if p.b.helper == "" {
		if p.b.helper, err = p.window(ctx); err != nil {
			return "", err
		}
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimSuffix(u.Path, "/")+jarPath, "", ""
	return p.b.helper, p.b.in(ctx, p.b.helper, "POST", "/url", map[string]string{"url": u.String()}, nil)
}

// jarPath is below every path whose cookies a test wants to see.
const jarPath = "/jar"

func (p *webkitPage) cookies(ctx context.Context, at string) (jar, error) {
	tab, err := p.look(ctx, at)
	if err != nil {
		return nil, err
	}
	var got []struct {
		Name, Value, Domain, Path, SameSite string
		Secure, HTTPOnly                    bool
		Expiry                              *int64
	}
	if err := p.b.in(ctx, tab, "GET", "/cookie", nil, &got); err != nil {
		return nil, err
	}
	j := make(jar)
	for _, c := range got {
		j[c.Name] = held{Value: c.Value, Domain: c.Domain, Path: c.Path, SameSite: c.SameSite, Secure: c.Secure, HTTPOnly: c.HTTPOnly, Session: c.Expiry == nil}
	}
	return j, nil
}

func (p *webkitPage) plant(ctx context.Context, at, name, value string) error {
	tab, err := p.look(ctx, at)
	if err != nil {
		return err
	}
	return p.b.in(ctx, tab, "POST", "/cookie", map[string]any{"cookie": map[string]any{
		"name": name, "value": value, "path": "/", "secure": true, "httpOnly": true, "sameSite": "Strict",
	}}, nil)
}

func (p *webkitPage) drop(ctx context.Context, at, name string) error {
	tab, err := p.look(ctx, at)
	if err != nil {
		return err
	}
	return p.b.in(ctx, tab, "DELETE", "/cookie/"+url.PathEscape(name), nil, nil)
}

func (p *webkitPage) downloads(context.Context, string) error { return errCannot }

func (p *webkitPage) press(ctx context.Context, x, y int) error {
	return p.b.in(ctx, p.handle, "POST", "/actions", map[string]any{"actions": mouse(x, y)}, nil)
}

func (p *webkitPage) scripts(context.Context, bool) error { return errCannot }
