//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A signal stops the program, but not a request that has begun.
func TestSignalLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "coatcheck")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), program, "serve", "--addr", "localhost:0")
			cmd.Dir = t.TempDir() // where its store will be
			cmd.Env = []string{}  // no SECRET_KEY either
			stdout, stderr := pipes(t, cmd)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			awaitLine(t, stderr, "SECRET_KEY is not set")
			addr := strings.TrimSpace(strings.TrimPrefix(awaitLine(t, stdout, "coatcheck serves on "), "coatcheck serves on http://"))

			conn, answer := begin(t, addr)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			awaitLine(t, stderr, "stopping")
			io.WriteString(conn, "user=123")
			res, err := http.ReadResponse(answer, nil)
			if err != nil {
				t.Fatalf("the request in flight: %v", err)
			}
			if body, err := io.ReadAll(res.Body); string(body) != "Logged in" || err != nil {
				t.Errorf("the request in flight: got %q, %v", body, err)
			}
			awaitLine(t, stderr, "stopped")
			if err := cmd.Wait(); err != nil {
				t.Errorf("exit: %v, want status 0", err)
			}
		})
	}
}

func pipes(t *testing.T, cmd *exec.Cmd) (stdout, stderr *bufio.Scanner) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(out), bufio.NewScanner(errs)
}

func awaitLine(t *testing.T, from *bufio.Scanner, text string) string {
	t.Helper()
	for from.Scan() {
		if strings.Contains(from.Text(), text) {
			return from.Text()
		}
	}
	t.Fatalf("the program ended without saying %q", text)
	return ""
}

// begin sends the head of a login and returns when its handler waits for the
// form: that is when net/http answers 100.
func begin(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(5 * time.Minute)) // a hang is a failure
	fmt.Fprintf(conn, "POST /login HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\n", addr)
	answer := bufio.NewReader(conn)
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if got, err := answer.ReadString('\n'); got != want || err != nil {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	return conn, answer
}
