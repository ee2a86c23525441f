package e2e_test

import (
	"context"
	"html"
	"net/http"
	"strings"
	"testing"
	"time"
)

// G7 without scripts, by a meta refresh on another site's page: it lands by the
// refresh in <noscript>, and the answer to a write is held back. Nothing goes
// round. All that is looked at is what the server saw.
func TestWithoutScripts(t *testing.T) {
	engines(t, func(t *testing.T, e *engine) {
		s := serve(t, landing)
		d := e.run(t)
		p, err := within(2*patience, d.scriptless)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.close)
		open := func(url, path string, n int) []visit {
			t.Helper()
			if _, err := within(patience, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.open(ctx, url) }); err != nil {
				t.Fatalf("open %s: %v", url, err)
			}
			return s.await(path, n)
		}
		refresh := func(path string) string {
			return s.page(s.evil, `<script>location = "`+s.app+`/blank?script"</script><meta http-equiv=refresh content="0;url=`+html.EscapeString(s.app+path)+`">`)
		}
		if v := open(s.app+"/login", "/login", 1)[0]; len(v.sets) != 2 {
			t.Fatalf("login: got %v and %q", v, v.sets)
		}
		visits := open(refresh("/in/page?a=b"), "/in/page", 3)
		first, last := visits[0], visits[2]
		if first.cookie(sidName) != "" || first.handled || visits[1].handled || last.user != "alice" || last.uri != "/in/page?a=b" {
			t.Errorf("got\n%v\n%v\n%v", first, visits[1], last)
		}
		if v := open(refresh("/count"), "/count", 1)[0]; v.status != http.StatusConflict || len(v.sets) > 0 {
			t.Errorf("got %v, want 409", v)
		}
		if v := open(s.app+"/look", "/look", 1)[0]; v.user != "alice" {
			t.Errorf("got %v, want alice's", v)
		}
		time.Sleep(2 * time.Second) // what would go round makes many requests; that this waits can only miss one
		if n, m := len(s.seen("app.test", "/in/page")), len(s.seen("app.test", "/count")); n != 3 || m != 1 {
			t.Errorf("%d and %d requests, want 3 and 1:\n%s", n, m, s.dump())
		}
		for _, v := range s.seen("app.test", "/blank") {
			if strings.HasSuffix(v.uri, "script") {
				t.Fatal("a script ran: this test proves nothing")
			}
		}
	})
}
