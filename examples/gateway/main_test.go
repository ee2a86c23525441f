package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/coatcheck/coatcheck/examples/internal/visit"
)

// The upstream sees who it is and no ticket, and cannot replace the session.
func TestGateway(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(fmt.Sprint(r.Header), "sid") {
			t.Errorf("the upstream gets the headers %v", r.Header)
		}
		http.SetCookie(w, &http.Cookie{Name: "__Host-Http-sid", Value: "planted", Path: "/", Secure: true})
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
		fmt.Fprintf(w, "%s for %q, cookies %q", r.URL.Path, r.Header.Get("X-User"), r.Header.Get("Cookie"))
	}))
	defer upstream.Close()
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := visit.New(t, routes(visit.Sessions(t), to))
	do := func(method, path string) (int, string, []*http.Cookie) {
		t.Helper()
		r, err := http.NewRequest(method, b.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-User", "mallory")
		res, err := b.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body), res.Cookies()
	}
	if status, _, _ := do("GET", "/page"); status != http.StatusUnauthorized {
		t.Errorf("before the login: got %d, want 401", status)
	}
	if status, _, _ := do("POST", "/login"); status != http.StatusOK {
		t.Fatalf("login: got %d", status)
	}
	for _, cookies := range []string{"", "theme=dark"} { // the second time the upstream's comes along
		status, body, set := do("GET", "/page")
		if want := fmt.Sprintf("/page for %q, cookies %q", "123", cookies); status != http.StatusOK || body != want {
			t.Errorf("got %d %q, want %q", status, body, want)
		}
		if len(set) != 1 || set[0].Name != "theme" {
			t.Errorf("the browser gets %v, want theme alone", set)
		}
	}
	do("POST", "/logout")
	if status, _, _ := do("GET", "/page"); status != http.StatusUnauthorized {
		t.Errorf("after the logout: got %d, want 401", status)
	}
}
