package promises_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
)

// A witness is the server's writer; it keeps the order of what reaches it.
type witness struct {
	*httptest.ResponseRecorder
	t *testing.T

	mu    sync.Mutex
	calls []string
}

func (w *witness) saw(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

func (w *witness) WriteHeader(status int) {
	w.saw(fmt.Sprint("WriteHeader ", status))
	w.ResponseRecorder.WriteHeader(status)
}

func (w *witness) Write(b []byte) (int, error) { w.saw("Write"); return w.ResponseRecorder.Write(b) }

func (w *witness) WriteString(s string) (int, error) {
	w.saw("WriteString")
	return w.ResponseRecorder.WriteString(s)
}

func (w *witness) ReadFrom(r io.Reader) (int64, error) {
	w.saw("ReadFrom")
	return io.Copy(w.ResponseRecorder.Body, r)
}

func (w *witness) Flush() { w.saw("Flush"); w.ResponseRecorder.Flush() }

func (w *witness) FlushError() error { w.saw("FlushError"); w.ResponseRecorder.Flush(); return nil }

func (w *witness) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.saw("Hijack")
	c, other := net.Pipe()
	w.t.Cleanup(func() { c.Close(); other.Close() })
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), nil
}
