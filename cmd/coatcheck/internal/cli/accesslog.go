package cli

import (
	"log/slog"
	"net/http"
	"time"
)

// accessLog writes one line for each request that next has answered. It shows
// the route that matched, not the URL, and no header: what a client sends may
// hold a token or a code.
func accessLog(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c := &countingWriter{ResponseWriter: w}
		defer func() {
			route := r.Pattern
			if route == "" {
				route = "none"
			}
			log.LogAttrs(r.Context(), slog.LevelInfo, "request",
				slog.String("route", route), slog.Int("status", c.status), slog.Int64("bytes", c.bytes),
				slog.Duration("took", time.Since(start).Round(time.Microsecond)))
		}()
		next.ServeHTTP(c, r)
	})
}

// A countingWriter notes what was answered. The status of a handler that
// panicked before it answered stays 0.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countingWriter) WriteHeader(status int) {
	if w.status < 200 { // 1xx come before the answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(b []byte) (int, error) {
	if w.status < 200 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap serves http.ResponseController.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
