package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A provider is an OAuth server whose refresh tokens are good for one use, and an
// API that takes its newest access token.
type provider struct {
	mu        sync.Mutex
	access    string
	refresh   string
	refreshed int
	expiresIn int
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.FormValue("grant_type") {
	case "authorization_code":
	case "refresh_token":
		p.refreshed++
		if r.FormValue("refresh_token") != p.refresh {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":"invalid_grant"}`)
			return
		}
	}
	p.access, p.refresh = rand.Text(), rand.Text()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"access_token": p.access, "refresh_token": p.refresh, "token_type": "bearer", "expires_in": p.expiresIn})
	p.expiresIn = 3600
}

func (p *provider) api(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+p.access {
		http.Error(w, "an old token", http.StatusUnauthorized)
		return
	}
	io.WriteString(w, "Hello")
}

func newProvider(t *testing.T) (*provider, string) {
	p := &provider{expiresIn: 1}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /api", p.api)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return p, server.URL
}

// start runs the program and returns where it serves.
func start(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append(args, "-addr", "127.0.0.1:0")...)
	cmd.Env = append(os.Environ(), "SECRET_KEY=q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // which tells that it was killed
	})
	site, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(site)
}

// Ten requests at once, at two processes, with a token that has expired: the
// provider is asked once, and all ten are served.
func TestTokenIsRefreshedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "tokenrefresh")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p, site := newProvider(t)
	args := []string{"-db", filepath.Join(dir, "sessions.db"), "-provider", site}
	sites := []string{start(t, program, args...), start(t, program, args...)}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	res, err := client.PostForm(sites[0]+"/login", url.Values{"code": {"x"}})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("login: got %v, %v", res, err)
	}
	res.Body.Close()

	var wg sync.WaitGroup
	answers := make(chan string, 10)
	for i := range cap(answers) {
		wg.Go(func() { answers <- get(client, sites[i%2]+"/hello") })
	}
	wg.Wait()
	close(answers)
	for answer := range answers {
		if answer != "200 Hello" {
			t.Errorf("got %s, want 200 Hello", answer)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refreshed != 1 {
		t.Errorf("the token was refreshed %d times, want once", p.refreshed)
	}
}

// get tries again where it is told to: the machine may be busy.
func get(client *http.Client, url string) string {
	for range 20 {
		res, err := client.Get(url)
		if err != nil {
			return err.Error()
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return err.Error()
		}
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			return fmt.Sprintf("%d %s", res.StatusCode, body)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return "503 twenty times"
}
