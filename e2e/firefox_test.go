package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// firefox is driven by WebDriver BiDi, which it speaks itself.
type firefox struct {
	program string
	cmd     *exec.Cmd
	b       *bidi
	is      string
}

// firefoxPrefs: names that lead to this machine, nothing that calls home, and no
// protection beside SameSite against cookies in another site's page.
var firefoxPrefs = map[string]string{
	"network.dns.localDomains":                   quote(strings.Join(hosts, ",")),
	"network.cookie.cookieBehavior":              "0",
	"network.cookie.cookieBehavior.pbmode":       "0",
	"dom.security.https_first":                   "false",
	"dom.security.https_first_schemeless":        "false",
	"dom.security.https_only_mode":               "false",
	"network.captive-portal-service.enabled":     "false",
	"network.connectivity-service.enabled":       "false",
	"network.http.speculative-parallel-limit":    "0",
	"network.trr.mode":                           "5",
	"network.proxy.type":                         "0",
	"app.update.disabledForTesting":              "true",
	"app.normandy.enabled":                       "false",
	"browser.aboutwelcome.enabled":               "false",
	"browser.shell.checkDefaultBrowser":          "false",
	"browser.startup.page":                       "0",
	"browser.startup.homepage_override.mstone":   `"ignore"`,
	"browser.safebrowsing.malware.enabled":       "false",
	"browser.safebrowsing.phishing.enabled":      "false",
	"browser.region.network.url":                 `""`,
	"browser.newtabpage.enabled":                 "false",
	"browser.tabs.unloadOnLowMemory":             "false",
	"datareporting.policy.dataSubmissionEnabled": "false",
	"datareporting.usage.uploadEnabled":          "false",
	"dom.disable_open_during_load":               "false",
	"extensions.systemAddon.update.enabled":      "false",
	"services.settings.server":                   `"data:,#remote-settings-dummy/v1"`,
	"toolkit.telemetry.enabled":                  "false",
	"security.sandbox.content.level":             "0", // the tests may run as root
	"dom.ipc.processCount":                       "2",
	"dom.ipc.processPrelaunch.enabled":           "false",
}

var bidiListens = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

func launchFirefox(programs map[string]string) (driver, error) {
	return startFirefox(programs["firefox-esr"], "firefox", "")
}

// startFirefox starts one with a profile of its own; more are preferences beside
// the usual ones.
func startFirefox(program, folder, more string) (*firefox, error) {
	profile, err := subfolder(folder)
	if err != nil {
		return nil, err
	}
	var prefs strings.Builder
	for name, value := range firefoxPrefs {
		fmt.Fprintf(&prefs, "user_pref(%s, %s);\n", quote(name), value)
	}
	prefs.WriteString(more)
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs.String()), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0")
	cmd.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1", "MOZ_HEADLESS_WIDTH=1280", "MOZ_HEADLESS_HEIGHT=900")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its processes go with it
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f := &firefox{cmd: cmd, program: program}
	at := make(chan string, 1)
	go func() {
		defer close(at)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if found := bidiListens.FindStringSubmatch(lines.Text()); found != nil {
				at <- found[1]
			}
		}
	}()
	select {
	case where, ok := <-at:
		if !ok {
			err = errors.New("it ended at once")
			break
		}
		err = f.connect(where)
	case <-time.After(2 * patience):
		err = errors.New("it did not come up")
	}
	if err != nil {
		f.stop()
		return nil, err
	}
	return f, nil
}

func (f *firefox) connect(where string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if f.b, err = dialBidi(ctx, where+"/session"); err != nil {
		return err
	}
	var session struct {
		Capabilities struct{ BrowserVersion string }
	}
	err = f.b.call(ctx, "session.new", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"acceptInsecureCerts": true}}}, &session)
	f.is = session.Capabilities.BrowserVersion
	return err
}

func (f *firefox) version() string { return f.is }

func (f *firefox) stop() {
	if f.b != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		f.b.call(ctx, "browser.close", nil, nil)
		cancel()
		f.b.close()
	}
	syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL)
	f.cmd.Wait()
}

func (f *firefox) jar(ctx context.Context) (page, error) {
	var made struct{ UserContext string }
	if err := f.b.call(ctx, "browser.createUserContext", nil, &made); err != nil {
		return nil, err
	}
	p := &firefoxPage{f: f, user: made.UserContext, first: true}
	return p.another(ctx)
}

// scriptless is in a browser of its own: ESR has no command for it.
func (f *firefox) scriptless(ctx context.Context) (page, error) {
	mute, err := startFirefox(f.program, "firefox-mute", "user_pref(\"javascript.enabled\", false);\n")
	if err != nil {
		return nil, err
	}
	p, err := mute.jar(ctx)
	if err != nil {
		mute.stop()
		return nil, err
	}
	return mutePage{p.(*firefoxPage)}, nil
}

// mutePage cannot be asked whether it is there.
type mutePage struct{ *firefoxPage }

func (p mutePage) open(ctx context.Context, url string) error {
	return p.f.b.call(ctx, "browsingContext.navigate", map[string]any{"context": p.context, "url": url, "wait": "none"}, nil)
}

func (p mutePage) close() { p.f.stop() }

// firefoxPage is a tab: a top-level browsing context of a user context, which
// has a jar of its own. Each is in a window of its own, or it would be hidden.
type firefoxPage struct {
	f             *firefox
	user, context string
	first         bool // whose end is that of the user context
}

func (p *firefoxPage) id() string { return p.context }

func (p *firefoxPage) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if p.first {
		p.f.b.call(ctx, "browser.removeUserContext", map[string]any{"userContext": p.user}, nil)
	} else {
		p.f.b.call(ctx, "browsingContext.close", map[string]any{"context": p.context}, nil)
	}
}

func (p *firefoxPage) another(ctx context.Context) (page, error) {
	var made struct{ Context string }
	err := p.f.b.call(ctx, "browsingContext.create", map[string]any{"type": "window", "userContext": p.user}, &made)
	return &firefoxPage{f: p.f, user: p.user, context: made.Context, first: p.first && p.context == ""}, err
}

func (p *firefoxPage) open(ctx context.Context, url string) error {
	return p.leaves(ctx, "browsingContext.navigate", map[string]any{"context": p.context, "url": url, "wait": "none"})
}

func (p *firefoxPage) reload(ctx context.Context) error {
	return p.leaves(ctx, "browsingContext.reload", map[string]any{"context": p.context, "wait": "none"})
}

// leaves runs a command that leaves the document, and waits for the next one.
// Told to wait for that, the browser now and then waits for ever where the page
// was just about to go elsewhere by itself.
func (p *firefoxPage) leaves(ctx context.Context, method string, params any) error {
	p.eval(ctx, "window.left = true") // where there is a document yet
	if err := p.f.b.call(ctx, method, params, nil); err != nil {
		return err
	}
	for {
		there, err := p.eval(ctx, "!window.left && document.readyState == 'complete'")
		if err == nil && string(there) == "true" {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", method, ctx.Err())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *firefoxPage) eval(ctx context.Context, script string) ([]byte, error) {
	var got struct {
		Type   string
		Result struct {
			Type  string
			Value string
		}
		ExceptionDetails struct{ Text string }
	}
	err := p.f.b.call(ctx, "script.evaluate", map[string]any{
		"expression": asJSON(script), "target": map[string]any{"context": p.context}, "awaitPromise": true, "userActivation": true,
	}, &got)
	if err == nil && got.Type != "success" {
		err = errors.New(got.ExceptionDetails.Text)
	}
	return []byte(got.Result.Value), err
}

func (p *firefoxPage) click(ctx context.Context, selector string) error {
	_, err := p.eval(ctx, "document.querySelector("+quote(selector)+").click(), true")
	return err
}

func (p *firefoxPage) pages(ctx context.Context) (ids []string, err error) {
	var tree struct {
		Contexts []struct{ Context, UserContext string }
	}
	err = p.f.b.call(ctx, "browsingContext.getTree", map[string]any{"maxDepth": 0}, &tree)
	for _, c := range tree.Contexts {
		if c.UserContext == p.user {
			ids = append(ids, c.Context)
		}
	}
	return ids, err
}

func (p *firefoxPage) attach(_ context.Context, id string) (page, error) {
	return &firefoxPage{f: p.f, user: p.user, context: id}, nil
}

// partition is the jar.
func (p *firefoxPage) partition() map[string]any {
	return map[string]any{"type": "storageKey", "userContext": p.user}
}

func (p *firefoxPage) cookies(ctx context.Context, at string) (jar, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	var got struct {
		Cookies []struct {
			Name, Domain, Path, SameSite string
			Value                        struct{ Value string }
			Secure, HTTPOnly             bool
			Expiry                       *int64
		}
	}
	if err := p.f.b.call(ctx, "storage.getCookies", map[string]any{"partition": p.partition()}, &got); err != nil {
		return nil, err
	}
	j := make(jar)
	for _, c := range got.Cookies {
		if c.Expiry != nil && *c.Expiry <= time.Now().Unix() {
			continue // told of, but no longer sent
		}
		domain, wide := strings.CutPrefix(c.Domain, ".")
		if (domain == u.Hostname() || wide && strings.HasSuffix(u.Hostname(), "."+domain)) && strings.HasPrefix(u.Path+"/", strings.TrimSuffix(c.Path, "/")+"/") {
			j[c.Name] = held{Value: c.Value.Value, Domain: c.Domain, Path: c.Path, SameSite: titled(c.SameSite), Secure: c.Secure, HTTPOnly: c.HTTPOnly, Session: c.Expiry == nil}
		}
	}
	return j, nil
}

// titled is SameSite as Set-Cookie has it.
func titled(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func (p *firefoxPage) plant(ctx context.Context, at, name, value string) error {
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	return p.f.b.call(ctx, "storage.setCookie", map[string]any{"partition": p.partition(), "cookie": map[string]any{
		"name": name, "value": map[string]any{"type": "string", "value": value}, "domain": u.Hostname(), "path": "/",
		"secure": true, "httpOnly": true, "sameSite": "strict",
	}}, nil)
}

func (p *firefoxPage) drop(ctx context.Context, at, name string) error {
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	return p.f.b.call(ctx, "storage.deleteCookies", map[string]any{"partition": p.partition(), "filter": map[string]any{"name": name, "domain": u.Hostname()}}, nil)
}

func (p *firefoxPage) downloads(ctx context.Context, dir string) error {
	return p.f.b.call(ctx, "browser.setDownloadBehavior", map[string]any{
		"downloadBehavior": map[string]any{"type": "allowed", "destinationFolder": dir}, "userContexts": []string{p.user},
	}, nil)
}

// mouse is a click at a place of the window, as both WebDrivers have it.
func mouse(x, y int) []any {
	return []any{map[string]any{"type": "pointer", "id": "mouse", "parameters": map[string]any{"pointerType": "mouse"}, "actions": []any{
		map[string]any{"type": "pointerMove", "x": x, "y": y, "duration": 0},
		map[string]any{"type": "pointerDown", "button": 0}, map[string]any{"type": "pointerUp", "button": 0},
	}}}
}

func (p *firefoxPage) press(ctx context.Context, x, y int) error {
	return p.f.b.call(ctx, "input.performActions", map[string]any{"context": p.context, "actions": mouse(x, y)}, nil)
}

func (p *firefoxPage) scripts(ctx context.Context, on bool) error {
	var enabled any = false
	if on {
		enabled = nil
	}
	err := p.f.b.call(ctx, "emulation.setScriptingEnabled", map[string]any{"enabled": enabled, "contexts": []string{p.context}}, nil)
	if err != nil && strings.Contains(err.Error(), "unknown command") {
		return errCannot
	}
	return err
}
