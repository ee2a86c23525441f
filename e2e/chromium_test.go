package e2e_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// chromium is driven by the protocol of its own developer tools.
type chromium struct {
	ctx context.Context
	is  string
}

func launchChromium(programs map[string]string) (driver, error) {
	return startChromium(programs, "chromium")
}

// startChromium starts it with the profile in that folder, and with more flags.
func startChromium(programs map[string]string, profile string, more ...chromedp.ExecAllocatorOption) (driver, error) {
	dir, err := subfolder(profile)
	if err != nil {
		return nil, err
	}
	home, err := trustingHome(programs["certutil"])
	if err != nil {
		return nil, err
	}
	// In the profile that the browser begins with, third-party cookies are allowed.
	if err := os.MkdirAll(filepath.Join(dir, "Default"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "Default", "Preferences"), []byte(`{"profile":{"cookie_controls_mode":0,"block_third_party_cookies":false}}`), 0o600); err != nil {
		return nil, err
	}
	rules := ""
	for _, host := range hosts {
		rules += "MAP " + host + " 127.0.0.1, "
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(programs["chromium"]), chromedp.UserDataDir(dir), chromedp.WSURLReadTimeout(2 * patience),
		chromedp.Flag("host-resolver-rules", rules+"MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Env("HOME=" + home),
		// What is typed as http stays http: the tests look at what travels there.
		chromedp.Flag("disable-features", "HttpsUpgrades,HttpsFirstBalancedModeAutoEnable"),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "no-proxy-server",
		"disable-background-timer-throttling", "disable-renderer-backgrounding", "disable-backgrounding-occluded-windows",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, _ := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithLogf(func(string, ...any) {}))
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(ctx) }() // a limit on ctx would be the browser's life
	select {
	case err = <-started:
	case <-time.After(2 * patience):
		err = errors.New("it did not come up")
	}
	if err != nil {
		cancel()
		return nil, err
	}
	c := &chromium{ctx: ctx}
	v, err := chromedp.CallBrowser(ctx, cdpbrowser.GetVersion, cdp.Empty{})
	if err != nil {
		cancel()
		return nil, err
	}
	_, c.is, _ = strings.Cut(v.Product, "/")
	return c, nil
}

func (c *chromium) version() string { return c.is }

func (c *chromium) jar(ctx context.Context) (page, error) {
	return attachChromium(ctx, c.ctx, chromedp.WithNewBrowserContext())
}

func (c *chromium) scriptless(ctx context.Context) (page, error) {
	p, err := c.jar(ctx)
	if err == nil {
		err = p.scripts(ctx, false)
	}
	return p, err
}

func (c *chromium) stop() {
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
	defer cancel()
	_ = chromedp.Cancel(ctx) // the process ends with us in any case
}

// chromiumPage is a tab; its ctx is what chromedp knows it by.
type chromiumPage struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func attachChromium(limit, parent context.Context, options ...chromedp.ContextOption) (*chromiumPage, error) {
	ctx, cancel := chromedp.NewContext(parent, options...)
	opened := make(chan error, 1)
	go func() { opened <- chromedp.Do(ctx) }() // a limit on ctx would be the tab's life
	select {
	case err := <-opened:
		if err != nil {
			cancel()
			return nil, err
		}
		return &chromiumPage{ctx, cancel}, nil
	case <-limit.Done():
		cancel()
		return nil, limit.Err()
	}
}

// limited is the tab's context for as long as limit lasts.
func (p *chromiumPage) limited(limit context.Context) (context.Context, context.CancelFunc) {
	end, ok := limit.Deadline()
	if !ok {
		end = time.Now().Add(patience)
	}
	return context.WithDeadline(p.ctx, end)
}

func (p *chromiumPage) id() string { return string(chromedp.FromContext(p.ctx).Target.TargetID) }

func (p *chromiumPage) close() { p.cancel() }

func (p *chromiumPage) open(ctx context.Context, url string) error {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	return chromedp.Do(ctx, chromedp.Navigate(url))
}

func (p *chromiumPage) eval(ctx context.Context, script string) ([]byte, error) {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	yes := true
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string](asJSON(script), chromedp.EvalAwaitPromise, func(e *runtime.EvaluateParams) { e.UserGesture = &yes }))
	return []byte(v), err
}

// asJSON is a script whose promise is of the JSON of what script is or promises.
func asJSON(script string) string {
	return "(async () => JSON.stringify(await (" + script + ")) ?? 'null')()"
}

func (p *chromiumPage) click(ctx context.Context, selector string) error {
	_, err := p.eval(ctx, "document.querySelector("+quote(selector)+").click(), true")
	return err
}

func (p *chromiumPage) reload(ctx context.Context) error {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	return chromedp.Do(ctx, chromedp.Reload())
}

func (p *chromiumPage) another(ctx context.Context) (page, error) { return attachChromium(ctx, p.ctx) }

func (p *chromiumPage) pages(ctx context.Context) (ids []string, err error) {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	all, err := chromedp.Targets(ctx)
	for _, info := range all {
		if info.Type == "page" && info.BrowserContextID == chromedp.FromContext(p.ctx).BrowserContextID {
			ids = append(ids, string(info.TargetID))
		}
	}
	return ids, err
}

func (p *chromiumPage) attach(ctx context.Context, id string) (page, error) {
	return attachChromium(ctx, p.ctx, chromedp.WithTargetID(target.ID(id)))
}

func (p *chromiumPage) cookies(ctx context.Context, url string) (jar, error) {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	got, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	if err != nil {
		return nil, err
	}
	j := make(jar)
	for _, c := range got.Cookies {
		j[c.Name] = held{Value: c.Value, Domain: c.Domain, Path: c.Path, SameSite: string(c.SameSite), Secure: c.Secure, HTTPOnly: c.HTTPOnly, Session: c.Session}
	}
	return j, nil
}

func (p *chromiumPage) plant(ctx context.Context, url, name, value string) error {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	yes := true
	_, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{
		Name: name, Value: value, URL: url, Path: "/", Secure: &yes, HTTPOnly: &yes, SameSite: network.CookieSameSiteStrict,
	})
	return err
}

func (p *chromiumPage) drop(ctx context.Context, url, name string) error {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	_, err := chromedp.Call(ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: url})
	return err
}

func (p *chromiumPage) downloads(ctx context.Context, dir string) error {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	_, err := chromedp.CallBrowser(ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir, BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID,
	})
	return err
}

func (p *chromiumPage) press(ctx context.Context, x, y int) error {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
		if _, err := chromedp.Call(ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: kind, X: float64(x), Y: float64(y), Button: input.MouseButtonLeft, ClickCount: 1,
		}); err != nil {
			return err
		}
	}
	return nil
}

func (p *chromiumPage) scripts(ctx context.Context, on bool) error {
	ctx, cancel := p.limited(ctx)
	defer cancel()
	_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
	return err
}
