package promises_test

import (
	"net/http"
	"testing"

	"github.com/coatcheck/coatcheck"
	"github.com/coatcheck/coatcheck/memstore"
)

// ASVS 4.1.3: "proxy headers not spoofable": the address is that of the
// connection, or the last that no proxy of ours has, in the one header that they
// write.
func TestProxies(t *testing.T) {
	t.Parallel()
	const xff, fwd = "X-Forwarded-For", "Forwarded"
	ours := []string{"10.0.0.0/8", "2001:db8:1::/48"}
	for _, tt := range []struct {
		proxies []string
		header  string // Config.ProxyHeader
		remote  string
		name    string // of the header that came
		lines   []string
		want    string
	}{
		// Without proxies, or past them, the headers are anybody's word.
		{nil, "", "192.0.2.1:1", xff, nil, "192.0.2.1"},
		{nil, "", "192.0.2.1:1", xff, []string{"203.0.113.9"}, "192.0.2.1"},
		{nil, "", "10.0.0.1:1", xff, []string{"203.0.113.9"}, "10.0.0.1"},
		{ours, "", "192.0.2.1:1", xff, []string{"203.0.113.9"}, "192.0.2.1"},
		{ours, fwd, "192.0.2.1:1", fwd, []string{"for=203.0.113.9"}, "192.0.2.1"},
		{ours, "", "[2001:db8:2::1]:1", xff, []string{"203.0.113.9"}, "2001:db8:2::1"},
		{nil, "", "@", xff, []string{"203.0.113.9"}, ""},

		// One proxy, and what the client wrote before it.
		{ours, "", "10.0.0.1:1", xff, []string{"203.0.113.9"}, "203.0.113.9"},
		{ours, "", "[::ffff:10.0.0.1]:1", xff, []string{"203.0.113.9"}, "203.0.113.9"},
		{ours, "", "[2001:db8:1::5%eth0]:1", xff, []string{"203.0.113.9"}, "203.0.113.9"},
		{ours, "", "@", xff, []string{"203.0.113.9"}, "203.0.113.9"},
		{ours, xff, "10.0.0.1:1", xff, []string{"6.6.6.6, 203.0.113.9"}, "203.0.113.9"},
		{ours, "", "10.0.0.1:1", xff, []string{"6.6.6.6", " 203.0.113.9\t"}, "203.0.113.9"},
		{ours, "", "10.0.0.1:1", xff, []string{"6.6.6.6, 10.0.0.7", "203.0.113.9"}, "203.0.113.9"},

		// More of them: as many as there are.
		{ours, "", "10.0.0.1:1", xff, []string{"6.6.6.6, 203.0.113.9, 10.9.9.9"}, "203.0.113.9"},
		{ours, "", "10.0.0.1:1", xff, []string{"6.6.6.6,203.0.113.9", "10.9.9.9,10.8.8.8", "2001:db8:1::5"}, "203.0.113.9"},
		{ours, "", "10.0.0.1:1", xff, []string{"10.0.0.9, 10.0.0.8"}, "10.0.0.9"}, // a client within

		// Forms of an address.
		{ours, "", "10.0.0.1:1", xff, []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{ours, "", "10.0.0.1:1", xff, []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{ours, "", "10.0.0.1:1", xff, []string{"[2001:db8::1]"}, "2001:db8::1"},
		{ours, "", "10.0.0.1:1", xff, []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{ours, "", "10.0.0.1:1", xff, []string{"6.6.6.6, ::ffff:203.0.113.9, ::ffff:10.0.0.7"}, "203.0.113.9"},
		{ours, "", "10.0.0.1:1", xff, []string{"2001:db8::1%eth0"}, "2001:db8::1"},

		// What is no address was written by nobody that we know.
		{ours, "", "10.0.0.1:1", xff, nil, ""},
		{ours, "", "10.0.0.1:1", xff, []string{""}, ""},
		{ours, "", "10.0.0.1:1", xff, []string{"203.0.113.9, "}, ""},
		{ours, "", "10.0.0.1:1", xff, []string{"203.0.113.9, unknown"}, ""},
		{ours, "", "10.0.0.1:1", xff, []string{"<script>"}, ""},
		{ours, "", "10.0.0.1:1", xff, []string{"203.0.113.9", "<script>, 10.0.0.7"}, ""},

		// RFC 7239, and only where it is the header of the proxies.
		{ours, "", "10.0.0.1:1", fwd, []string{"for=6.6.6.6"}, ""},
		{ours, fwd, "10.0.0.1:1", xff, []string{"6.6.6.6"}, ""},
		{ours, fwd, "10.0.0.1:1", fwd, []string{"for=203.0.113.9"}, "203.0.113.9"},
		{ours, fwd, "10.0.0.1:1", fwd, []string{"for=6.6.6.6, For=203.0.113.9;proto=https;by=10.0.0.1"}, "203.0.113.9"},
		{ours, fwd, "10.0.0.1:1", fwd, []string{`for=6.6.6.6;by="x,y", proto=https ; FOR = "[2001:db8::1]:4711"`}, "2001:db8::1"},
		{ours, fwd, "10.0.0.1:1", fwd, []string{"for=6.6.6.6", `for="203.0.113.9:1"`, "for=10.0.0.7"}, "203.0.113.9"},
		{ours, fwd, "10.0.0.1:1", fwd, []string{"for=203.0.113.9, for=_hidden"}, ""},
		{ours, fwd, "10.0.0.1:1", fwd, []string{"for=203.0.113.9, for=unknown"}, ""},
		{ours, fwd, "10.0.0.1:1", fwd, []string{"proto=https"}, ""},
		// A client cannot swallow or forge what the proxy adds.
		{ours, fwd, "10.0.0.1:1", fwd, []string{`for=6.6.6.6;x=", for=203.0.113.9`}, ""},
		{ours, fwd, "10.0.0.1:1", fwd, []string{`for=6.6.6.6;x="`, "for=203.0.113.9"}, "203.0.113.9"},
		{ours, fwd, "10.0.0.1:1", fwd, []string{`for="6.6.6.6, for=203.0.113.9`}, ""},
		{ours, fwd, "10.0.0.1:1", fwd, []string{`for="\", for=203.0.113.9`}, ""},
	} {
		m := manage(t, memstore.New(memstore.Config{}), coatcheck.Config{Proxies: prefixes(tt.proxies...), ProxyHeader: tt.header})
		b := newBrowser(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			m.From(r.Context()).Login("alice")
		})))
		r := b.Request("POST", "/")
		r.RemoteAddr = tt.remote
		r.Header[tt.name] = tt.lines
		b.Serve(r)
		list, err := m.Sessions(t.Context(), "alice")
		if err != nil || len(list) != 1 || list[0].Address != tt.want {
			t.Errorf("proxies %q, header %q, from %s, %s %q: got %+v, %v, want %q", tt.proxies, tt.header, tt.remote, tt.name, tt.lines, list, err, tt.want)
		}
	}
}
