package main

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// A port in use is an error that says how to serve on another.
func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	o := &options{addr: taken.Addr().String()}
	err = o.serve(t.Context(), o.addr, http.NotFoundHandler(), func() { t.Error("it says that it serves") })
	if err == nil || !strings.Contains(err.Error(), o.addr) || !strings.Contains(err.Error(), "-addr HOST:PORT") {
		t.Errorf("got %v, want the address and -addr", err)
	}
}

// The start says where the shop and the provider are, and with what accounts and
// passwords one may sign in, if the provider is that of this process.
func TestGreeting(t *testing.T) {
	o := &options{origin: "http://localhost:8080"}
	if err := o.startProvider(t.Context(), "http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	text := o.greeting()
	for _, want := range []string{"shop serves on http://localhost:8080\n", o.issuer + " as ", "alice (password wonder) bob (password builder) carol (password singer)\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	other := &options{origin: o.origin, issuer: "https://login.example"}
	if text := other.greeting(); !strings.HasSuffix(text, "provider at https://login.example\n") {
		t.Errorf("with a provider elsewhere: %q", text)
	}
}
