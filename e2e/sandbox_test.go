package e2e_test

import (
	"context"
	"html"
	"testing"
	"time"
)

// press clicks with the mouse: only that is a user's doing inside a frame.
func (b *tab) press(selector string) {
	b.t.Helper()
	at := eval[[]float64](b, "(r => [r.x + r.width/2, r.y + r.height/2])(document.querySelector("+quote(selector)+").getBoundingClientRect())")
	b.do("press "+selector, func(ctx context.Context) error { return b.p.press(ctx, int(at[0]), int(at[1])) })
}

// G7: No loop, also where the link stands in a sandboxed frame, as mail and
// previews do. A tab that inherits the sandbox has an opaque origin: whatever it
// asks for comes from another site, without our Strict cookie, for ever.
func TestLandingFromSandbox(t *testing.T) {
	enginesInTurn(t, func(t *testing.T, e *engine) {
		for _, c := range []struct {
			sandbox, target string
			opaque          bool
		}{
			{"allow-popups", "_blank", true},
			{"allow-popups allow-scripts", "_blank", true},
			{"allow-popups allow-scripts allow-same-origin", "_blank", false},
			{"allow-popups allow-popups-to-escape-sandbox", "_blank", false},
			{"allow-top-navigation-by-user-activation", "_top", false},
		} {
			t.Run(c.sandbox, func(t *testing.T) {
				s := serve(t, landing)
				b := e.newTab(t)
				b.login(s)
				before := b.cookies(s.app)
				url := s.app + "/in/page"
				frame := `<body style="margin:0"><a style="display:block;height:500px" target=` + c.target + ` href="` + url + `">go</a>`
				b.open(s.page(s.evil, `<iframe width=500 height=300 sandbox="`+c.sandbox+`" srcdoc="`+html.EscapeString(frame)+`"></iframe>`))
				arrived := b
				press := func() { // again where the frame was not yet there to be clicked
					for all := time.Now().Add(patience); time.Now().Before(all) && len(s.seen("app.test", "/in/page")) == 0; {
						b.press("iframe")
						for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && len(s.seen("app.test", "/in/page")) == 0; {
							time.Sleep(20 * time.Millisecond)
						}
					}
				}
				if c.target == "_blank" {
					arrived = b.opened(press)
				} else {
					press()
				}
				if !c.opaque {
					arrived.shows(url, "alice")
					if visits := s.seen("app.test", "/in/page"); len(visits) != 3 {
						t.Errorf("%d requests, want 3:\n%s", len(visits), s.dump())
					}
					return
				}
				// The page stays, with its link. What would loop makes a dozen
				// requests a second; that this waits can only miss one, not invent it.
				s.await("/in/page", 1)
				time.Sleep(2 * time.Second)
				if visits := s.seen("app.test", "/in/page"); len(visits) != 1 || visits[0].handled {
					t.Fatalf("%d requests, want 1:\n%.2000s", len(visits), s.dump())
				}
				arrived.until("document.querySelector('a')?.innerText == 'Continue'")
				same(t, before, b.cookies(s.app))
			})
		}
	})
}
