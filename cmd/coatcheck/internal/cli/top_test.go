package cli_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/cmd/coatcheck/internal/cli"
)

// sessions top has the numbers, and whoever was active since it last looked; it
// ends when it is interrupted, which is no failure.
func TestTop(t *testing.T) {
	t.Parallel()
	store := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	url := serve(t, "--store", store).url
	ann, visitor := newGoBrowser(t, url), newGoBrowser(t, url)
	ann.send(t, "POST", "/login", "user=ann")
	visitor.send(t, "POST", "/visits", "")

	var errs bytes.Buffer
	out, stdout := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int, 1)
	go func() {
		status <- cli.Run(ctx, []string{"sessions", "top", "--store", store, "--every", "100ms"}, nil, stdout, &errs, nothing)
		stdout.Close()
	}()
	var text strings.Builder
	until := func(want string) {
		t.Helper()
		b := make([]byte, 4096)
		for wanted := regexp.MustCompile(want); !wanted.MatchString(text.String()); {
			n, err := out.Read(b)
			text.Write(b[:n])
			if err != nil {
				t.Fatalf("it ended with %s and no %s:\n%s", &errs, want, &text)
			}
		}
	}
	until(`(?m)^\S+ \S+ sessions=2 users=1 visitors=1 active=2 new=2\n(.*\n)*.* active session=\S{12} user="ann" device="Go-http-client" address=127.0.0.1 seen=`)
	until(`new=2\n.* sessions=2 users=1 visitors=1 active=2 new=2\n.* sessions=2 `) // nobody was active since
	newGoBrowser(t, url).send(t, "POST", "/login", "user=bob")
	until(`(?m)^\S+ \S+ sessions=3 users=2 visitors=1 .*\n.* new session=\S{12} user="bob"`)
	ann.send(t, "POST", "/cart", "item=tea") // a change is noted, whenever the last one was
	until(`(?m)^\S+ \S+ active session=\S{12} user="ann" .*\n(.*\n)*.* active session=\S{12} user="ann"`)
	cancel()
	go io.Copy(io.Discard, out)
	if got := <-status; got != 0 || errs.Len() > 0 {
		t.Errorf("interrupted: got status %d, %s", got, &errs)
	}
}
