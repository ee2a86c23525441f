package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// A tab of a browser, in a test. Tabs of one test share a jar that no other test
// has.
type tab struct {
	t *testing.T
	e *engine
	p page
}

// within runs f for at most d.
func within[T any](d time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return f(ctx)
}

// do is within for what has no result; its failure ends the test.
func (b *tab) do(what string, f func(context.Context) error) {
	b.t.Helper()
	if _, err := within(patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) }); err != nil {
		b.t.Fatalf("%s: %.200s: %v", b.e.name, what, err)
	}
}

func cut(entry string) (before, after string, ok bool) { return strings.Cut(entry, ":") }

// lenientTab opens a tab in which third-party cookies are allowed, so that only
// SameSite withholds them. Tests that use it take turns: in Chromium it is in the
// profile that the browser began with, its jar emptied; a tab with a jar of its
// own is like a private window there.
func (e *engine) lenientTab(t *testing.T) *tab {
	t.Helper()
	if e != chromiumEngine {
		return e.newTab(t)
	}
	p, err := within(patience, func(ctx context.Context) (*chromiumPage, error) {
		return attachChromium(ctx, e.run(t).(*chromium).ctx)
	})
	if err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	t.Cleanup(p.close)
	b := &tab{t, e, p}
	call(b, network.ClearBrowserCookies, cdp.Empty{})
	return b
}

// another opens a second tab with the same jar.
func (b *tab) another() *tab {
	b.t.Helper()
	p, err := within(patience, b.p.another)
	if err != nil {
		b.t.Fatalf("another tab: %v", err)
	}
	b.t.Cleanup(p.close)
	return &tab{b.t, b.e, p}
}

// open loads a page, as if its address had been typed.
func (b *tab) open(url string) {
	b.t.Helper()
	b.do("open "+url, func(ctx context.Context) error { return b.p.open(ctx, url) })
}

// eval runs a script in the page as the user's doing, and returns its result or
// that of the promise.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	v, err := try[T](b, patience, script)
	if err != nil {
		b.t.Fatalf("%.200s: %v", script, err)
	}
	return v
}

func try[T any](b *tab, limit time.Duration, script string) (v T, err error) {
	data, err := within(limit, func(ctx context.Context) ([]byte, error) { return b.p.eval(ctx, script) })
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, &v)
	}
	return v, err
}

// until waits for a condition in the page. Errors are those of a page that is
// just being left; a script that runs as the page is left may also have no answer, and
// so none of the looks may take all the time.
func (b *tab) until(condition string) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok, err := try[bool](b, patience/10, "!!("+condition+")"); err == nil && ok {
			return
		}
	}
	where, _ := try[string](b, patience/10, "location.href + ' ' + document.documentElement.outerHTML.slice(0, 600)")
	b.t.Fatalf("%s: not after %v: %s; the tab is at %s", b.e.name, patience, condition, where)
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
	b.do("click on "+selector, func(ctx context.Context) error { return b.p.click(ctx, selector) })
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
		for _, id := range b.pages() {
			if slices.Contains(was, id) {
				continue
			}
			// While the tab changes to another site's process it cannot be had.
			p, err := within(patience, func(ctx context.Context) (page, error) { return b.p.attach(ctx, id) })
			if err == nil {
				b.t.Cleanup(p.close)
				return &tab{b.t, b.e, p}
			}
		}
	}
	b.t.Fatalf("no new tab after %v", patience)
	return nil
}

// pages are the tabs with the same jar.
func (b *tab) pages() []string {
	b.t.Helper()
	ids, err := within(patience, b.p.pages)
	if err != nil {
		b.t.Fatalf("list the tabs: %v", err)
	}
	return ids
}

// cookies returns what the jar has for url, also what scripts cannot see.
func (b *tab) cookies(url string) jar {
	b.t.Helper()
	got, err := within(patience, func(ctx context.Context) (jar, error) { return b.p.cookies(ctx, url) })
	if err != nil {
		b.t.Fatalf("the cookies of %s: %v", url, err)
	}
	return got
}

// drop removes a cookie from the jar, as an eviction would. An answer that is on its way,
// as of a refresh, may bring it back once or twice.
func (b *tab) drop(url, name string) {
	b.t.Helper()
	for range 5 {
		b.do("drop "+name, func(ctx context.Context) error { return b.p.drop(ctx, url, name) })
		if _, ok := b.cookies(url)[name]; !ok {
			return
		}
	}
	b.t.Fatalf("%s is still in the jar", name)
}

// plant puts a cookie into the jar as somebody at the machine, or a script
// before the login, could.
func (b *tab) plant(s *site, name, value string) {
	b.t.Helper()
	b.do("plant "+name, func(ctx context.Context) error { return b.p.plant(ctx, s.app, name, value) })
	if b.cookies(s.app)[name].Value != value {
		b.t.Fatalf("%s was not planted", name)
	}
}

// scripts switches scripts off, or on again.
func (b *tab) scripts(on bool) {
	b.t.Helper()
	_, err := within(patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.p.scripts(ctx, on) })
	if on && errors.Is(err, errCannot) {
		return // they were never off
	}
	if err != nil {
		b.t.Fatalf("%s: scripts: %v", b.e.name, err)
	}
}

// back is the button of the window.
func (b *tab) back() { b.t.Helper(); eval[bool](b, "setTimeout(() => history.back()), true") }

// cdp is the tab of Chromium, for what only its own protocol can.
func (b *tab) cdp() context.Context {
	b.t.Helper()
	return b.p.(*chromiumPage).ctx
}

// call runs a command of Chromium's protocol in the tab.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.cdp(), patience)
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
