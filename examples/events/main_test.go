package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/examples/internal/visit"
)

// A logout in one tab closes the stream of another.
func TestEvents(t *testing.T) {
	b := visit.New(t, routes(visit.Sessions(t)))
	if status, _ := b.Do(t, "GET", "/events"); status != http.StatusUnauthorized {
		t.Errorf("without a login: got %d, want 401", status)
	}
	b.Do(t, "POST", "/login")
	r, err := http.NewRequestWithContext(t.Context(), "GET", b.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := b.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if got := stream.Header.Get("X-Accel-Buffering"); got != "no" {
		t.Errorf("X-Accel-Buffering is %q, want no: nginx would pass the stream on when it ends", got)
	}
	hello := make([]byte, len("event: hello\ndata: 123\n\n"))
	if _, err := io.ReadFull(stream.Body, hello); err != nil || string(hello) != "event: hello\ndata: 123\n\n" {
		t.Fatalf("got %q, %v", hello, err)
	}
	b.Do(t, "POST", "/logout")
	rest, err := io.ReadAll(stream.Body)
	if err != nil || !strings.HasSuffix(string(rest), "event: bye\ndata: the session has ended\n\n") {
		t.Errorf("after the logout: got %q, %v, want bye and the end", rest, err)
	}
}
