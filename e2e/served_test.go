package e2e_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// servedLife is that of the proof at coatcheck serve.
const servedLife = 5 * time.Minute

// flagOf finds the flags that coatcheck serve --tls names for Chromium.
var flagOf = regexp.MustCompile(`--(enable-features|ignore-certificate-errors-spki-list)=([^\s"]+)`)

// openServed opens the page of coatcheck serve --tls in a Chromium of its own, with
// the flags of the log and no other trust: as a person does who reads it.
func openServed(t *testing.T) *playground {
	t.Helper()
	bindingEngine.run(t) // skips where there is none
	url, log, stop := runServeLogged(t, "localhost:0", "memory:", "--tls")
	t.Cleanup(stop)
	var flags []chromedp.ExecAllocatorOption
	for end := time.Now().Add(patience); len(flags) < 2; time.Sleep(10 * time.Millisecond) {
		flags = nil
		for _, m := range flagOf.FindAllStringSubmatch(log.String(), -1) {
			flags = append(flags, chromedp.Flag(m[1], m[2]))
		}
		if time.Now().After(end) {
			t.Fatalf("the log names no flags:\n%s", log)
		}
	}
	d, err := startChromium(bindingEngine.programs(), "served", flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	p, err := within(2*patience, d.jar)
	if err != nil {
		t.Fatal(err)
	}
	return play(t, url, &tab{t, bindingEngine, p})
}

// What coatcheck serve --tls shows to a person: the session is bound, the proof
// beside the ticket counts down, and what the thief copied is refused after its end,
// when the owner goes on.
func TestServedThief(t *testing.T) {
	p := openServed(t)
	p.press("POST /login")
	const proof = `[...document.querySelectorAll("#jar [data-key]")].find(e => e.textContent.includes("__Host-sid-bound"))?.querySelector("[data-until]")`
	for end := time.Now().Add(patience); !strings.Contains(p.text("#devices"), "bound to a key of this device (ES256)") || !eval[bool](p.tab, "!!"+proof); time.Sleep(300 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the page shows no binding: %q, %q", p.text("#jar"), p.text("#devices"))
		}
		p.open(p.url + "/")
	}
	left := eval[string](p.tab, proof+".textContent")
	if !strings.HasPrefix(left, "4 min ") && !strings.HasPrefix(left, "3 min ") && left != "5 minutes" {
		t.Errorf("the proof ends in %q", left)
	}
	p.until(proof + ".textContent !== " + quote(left))
	copied := p.toThief()

	// The rest of this wait is that of the tests which run alone. A thief who had to
	// wait for long has thrown his copy away, and gets another.
	t.Parallel()
	if time.Since(copied) > 2*servedLife {
		copied = p.toThief()
	}
	time.Sleep(time.Until(copied.Add(servedLife + 2*time.Second)))
	status, body := p.clicked(`form[action="/thief/again"] button`)
	if status != "200" || !strings.Contains(body, "The thief, with all your cookies: 401") || !strings.Contains(body, "With the ticket alone: 401") {
		t.Errorf("after the end of the proof: %s %s", status, body)
	}
	if status, body := p.press("GET /profile"); status != "200" || body != "User 123" {
		t.Errorf("the owner: %s %s", status, body)
	}
}

// toThief copies the cookies to the thief, who has the coat with them. Over HTTP/2 a
// status has no text.
func (p *playground) toThief() (copied time.Time) {
	p.t.Helper()
	status, body := p.clicked(`form[action="/thief"] button`)
	if status != "200" || !strings.Contains(body, `The thief, with all your cookies: 200 "User 123"`) {
		p.t.Fatalf("copied: %s %s", status, body)
	}
	return time.Now()
}
