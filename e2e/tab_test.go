package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// A tab of the browser. Tabs of one test share a jar that no other test has.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newTab opens a tab with an empty jar.
func newTab(t *testing.T) *tab {
	t.Helper()
	return openTab(t, chromium(t), chromedp.WithNewBrowserContext())
}

// lenientTab opens a tab in the profile that the browser began with, its jar
// emptied. There third-party cookies are allowed; with a jar of its own a tab is
// like a private window, which withholds them whatever SameSite says. Tests that
// use it take turns.
func lenientTab(t *testing.T) *tab {
	t.Helper()
	b := openTab(t, chromium(t))
	call(b, network.ClearBrowserCookies, cdp.Empty{})
	return b
}

// another opens a second tab with the same jar.
func (b *tab) another() *tab {
	b.t.Helper()
	return openTab(b.t, b.ctx)
}

func openTab(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b, err := attach(t, parent, options...)
	if err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return b
}

func attach(t *testing.T, parent context.Context, options ...chromedp.ContextOption) (*tab, error) {
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	opened := make(chan error, 1)
	go func() { opened <- chromedp.Do(ctx) }() // a limit on ctx would be the tab's life
	select {
	case err := <-opened:
		return &tab{t, ctx}, err
	case <-time.After(patience):
		return nil, fmt.Errorf("nothing after %v", patience)
	}
}

// open loads a page, as if its address had been typed.
func (b *tab) open(url string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		b.t.Fatalf("open %.200s: %v", url, err)
	}
}

// eval runs a script in the page as the user's doing, and returns its result or
// that of the promise.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	v, err := try[T](b, script)
	if err != nil {
		b.t.Fatalf("%.200s: %v", script, err)
	}
	return v
}

func try[T any](b *tab, script string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	yes := true
	return chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise, func(p *runtime.EvaluateParams) { p.UserGesture = &yes }))
}

// until waits for a condition in the page. Errors are those of a page that is
// just being left.
func (b *tab) until(condition string) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok, err := try[bool](b, "!!("+condition+")"); err == nil && ok {
			return
		}
	}
	where, _ := try[string](b, "location.href + ' ' + document.documentElement.outerHTML.slice(0, 600)")
	b.t.Fatalf("not after %v: %s; the tab is at %s", patience, condition, where)
}

// shows waits until the tab shows a page of the application at url, as user.
func (b *tab) shows(url, user string) {
	b.t.Helper()
	b.until("document.readyState == 'complete' && location.href == " + quote(url) +
		" && document.querySelector('#app')?.dataset.user === " + quote(user))
}

// click follows the element, which then is left or opens something.
func (b *tab) click(selector string) {
	b.t.Helper()
	eval[bool](b, "document.querySelector("+quote(selector)+").click(), true")
}

// fetched is the status of a request that the page makes.
func (b *tab) fetched(method, url string) int {
	b.t.Helper()
	return eval[int](b, "fetch("+quote(url)+", {method: "+quote(method)+"}).then(r => r.text().then(() => r.status))")
}

// tries makes a request that the page may send, but whose answer it may not
// read, and waits until it is over.
func (b *tab) tries(method, url string) {
	b.t.Helper()
	eval[bool](b, "fetch("+quote(url)+", {method: "+quote(method)+", mode: 'no-cors', credentials: 'include'}).then(() => true, () => true)")
}

// opened is the tab that act opens.
func (b *tab) opened(act func()) *tab {
	b.t.Helper()
	was := b.pages()
	act()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for id := range b.pages() {
			if was[id] {
				continue
			}
			// While the tab changes to another site's process it cannot be had.
			if tab, err := attach(b.t, b.ctx, chromedp.WithTargetID(id)); err == nil {
				return tab
			}
		}
	}
	b.t.Fatalf("no new tab after %v", patience)
	return nil
}

// pages are the tabs with the same jar.
func (b *tab) pages() map[target.ID]bool {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	all, err := chromedp.Targets(ctx)
	if err != nil {
		b.t.Fatalf("list the tabs: %v", err)
	}
	pages := make(map[target.ID]bool)
	for _, info := range all {
		if info.Type == "page" && info.BrowserContextID == chromedp.FromContext(b.ctx).BrowserContextID {
			pages[info.TargetID] = true
		}
	}
	return pages
}

// cookies returns what the jar has for url, also what scripts cannot see.
func (b *tab) cookies(url string) map[string]network.Cookie {
	b.t.Helper()
	got := call(b, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	jar := make(map[string]network.Cookie)
	for _, c := range got.Cookies {
		jar[c.Name] = *c
	}
	return jar
}

// drop removes a cookie from the jar, as an eviction would.
func (b *tab) drop(url, name string) {
	b.t.Helper()
	call(b, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: url})
	if _, ok := b.cookies(url)[name]; ok {
		b.t.Fatalf("%s is still in the jar", name)
	}
}

// call runs a command of the browser's protocol in the tab.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	r, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.t.Fatalf("%T: %v", params, err)
	}
	return r
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
