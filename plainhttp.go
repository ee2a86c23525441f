package coatcheck

import (
	"net"
	"net/http"
	"strings"
	"time"
)

// plainHTTPEvery is how often it is told that a Secure session cookie was set on
// a request over plain HTTP: once an hour says enough.
const plainHTTPEvery = time.Hour

// tellPlainHTTP tells of a session cookie that the browser will not keep: it is
// Secure and the request plainly came over HTTP. The login "works", and the next
// page is anonymous. A bearer token is kept, and anybody on the way has it.
func (m *Manager) tellPlainHTTP(r *http.Request) {
	if m.cfg.Events == nil || m.cfg.Cookie.AllowInsecureHTTP || r.TLS != nil || !plainHTTP(r) {
		return
	}
	now := time.Now().UnixMicro()
	if last := m.plain.Load(); last != 0 && now-last < plainHTTPEvery.Microseconds() || !m.plain.CompareAndSwap(last, now) {
		return
	}
	reason := reasonSecure
	if m.bearer {
		reason = reasonBearer
	}
	m.event(r.Context(), Event{Kind: Insecure, Reason: reason})
}

// plainHTTP reports whether a request without TLS of our own came over plain
// HTTP, as far as it says so itself. Behind a proxy that ends TLS it must not: a
// header of the proxy says https, or there is one that says nothing; or it comes
// from a browser that sends Fetch Metadata, which it does over HTTPS only; or
// Origin or Referer are https.
func plainHTTP(r *http.Request) bool {
	h := r.Header
	if loopbackHost(hostname(r.Host)) || h.Get("Sec-Fetch-Site") != "" ||
		strings.HasPrefix(h.Get("Origin"), "https:") || strings.HasPrefix(h.Get("Referer"), "https:") {
		return false
	}
	if proto := h.Get("X-Forwarded-Proto"); proto != "" {
		first, _, _ := strings.Cut(proto, ",")
		return strings.EqualFold(strings.TrimSpace(first), "http")
	}
	for _, name := range proxyHeaders {
		if len(h[name]) > 0 {
			return false
		}
	}
	return true
}

// proxyHeaders say that there is a proxy, and not what came to it.
var proxyHeaders = [...]string{
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Real-Ip", "Forwarded", "Via", "Front-End-Https", "X-Scheme", "Cf-Visitor",
}

// loopbackHost reports whether browsers treat plain HTTP to host as secure, as
// most do (Secure Contexts §3.1).
func loopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
