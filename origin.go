package coatcheck

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// foreign returns why the request must be refused as cross-origin, or nil. An
// upgrade to a websocket is a GET with effects, and is judged as a POST.
//
// Fetch Metadata is not the whole truth: what a service worker passes on says
// "same-origin", and its Origin and Referer still name the page that asked (G7).
func (m *Manager) foreign(r *http.Request) error {
	if m.brings(r) {
		return nil
	}
	switch r.Method {
	case http.MethodGet:
		if len(r.Header["Upgrade"]) == 0 {
			return nil
		}
		post := *r
		post.Method = http.MethodPost
		r = &post
	case http.MethodHead, http.MethodOptions:
		return nil
	}
	if len(m.origins) == 0 || r.Header.Get("Sec-Fetch-Site") != "" || !m.origins.names(r.Header.Get("Origin")) {
		// Otherwise the origin is ours, whatever a proxy made of Host.
		if err := m.cfg.CrossOrigin.Check(r); err != nil {
			if r.Header.Get("Sec-Fetch-Site") == "" {
				return notHost(r, "Origin", r.Header.Get("Origin"))
			}
			return fromElsewhere(r, err)
		}
	}
	return m.elsewhere(r)
}

// elsewhere returns an error that names both, if Origin or Referer are of
// another host than the request and Config.CrossOrigin does not trust them.
// "Origin: null" names no host: pages that send no Referer have that too.
func (m *Manager) elsewhere(r *http.Request) error {
	for _, name := range [...]string{"Origin", "Referer"} {
		for _, value := range r.Header[name] {
			if origin, host := cutOrigin(value); host != "" && !m.own(r, origin, host) {
				return notHost(r, name, origin)
			}
		}
	}
	return nil
}

// notHost is for whoever runs the application. Only the beginning of what a
// client wrote is told.
func notHost(r *http.Request, name, origin string) error {
	if origin == "null" {
		return fmt.Errorf("%s is null: the page hides where it comes from, as a sandbox does, or its own Referrer-Policy, for which same-origin is enough", name)
	}
	setting := "Config.Origins"
	if scheme, _, ok := strings.Cut(origin, "://"); ok && name == "Origin" && !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		setting = "Config.CrossOrigin.AddTrustedOrigin" // an application's own scheme: capacitor://localhost
	}
	return fmt.Errorf("%s %.100q is not Host %.100q: if both are this application's, name the origin in %s", name, origin, r.Host, setting)
}

// fromElsewhere adds to what Fetch Metadata says whose request it is, and where to
// let it in: a browser compares with the address that it asked for, so that a proxy
// is no reason for it.
func fromElsewhere(r *http.Request, err error) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return err
	}
	if origin == "null" {
		return notHost(r, "Origin", origin)
	}
	return fmt.Errorf("%w: Sec-Fetch-Site is %.20q, Origin %.100q: if its requests are wanted, name it in Config.CrossOrigin.AddTrustedOrigin",
		err, r.Header.Get("Sec-Fetch-Site"), origin)
}

// contradicted reports whether Fetch Metadata says that the request is not
// another site's, and Origin or Referer that it is. A first write is then held
// back (G7).
func (m *Manager) contradicted(r *http.Request) bool {
	return m.marker != nil && r.Header.Get("Sec-Fetch-Site") != "" && m.elsewhere(r) != nil
}

// own reports whether an origin is that of the request or one that the
// application trusts. The port does not count: it is no border between sites.
func (m *Manager) own(r *http.Request, origin, host string) bool {
	if strings.EqualFold(host, hostname(r.Host)) || m.origins.names(origin) {
		return true
	}
	// Ask as an old browser would: about this origin and nothing else.
	asked := *r
	asked.Method, asked.Header = http.MethodPost, http.Header{"Origin": {origin}}
	return m.cfg.CrossOrigin.Check(&asked) == nil
}

// cutOrigin returns the origin that a URL begins with and the host in it, both
// empty where there is none.
func cutOrigin(u string) (origin, host string) {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return "", ""
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	origin = u[:len(scheme)+len("://")+len(rest)]
	return origin, hostname(rest[strings.LastIndexByte(rest, '@')+1:])
}

// hostname is a host without its port. "[::1]:80" has many colons.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return host
}

// origins are those of Config.Origins.
type origins []string

// names reports whether one of them is o, as browsers write it.
func (list origins) names(o string) bool {
	for _, own := range list {
		if strings.EqualFold(own, o) {
			return true
		}
	}
	return false
}

// checkOrigin wants an origin exactly as a browser sends it; any other form
// would never be met.
func checkOrigin(o string) error {
	u, err := url.Parse(o)
	switch {
	case err != nil:
		return errors.New("want a URL such as https://app.example")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("want it to begin with https:// or http://")
	case u.Hostname() == "" || strings.ContainsAny(u.Hostname(), "*% "):
		return errors.New("want the name of one host")
	case u.Scheme+"://"+u.Host != o:
		return errors.New("want scheme, host and port alone, without a path or / at the end")
	case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" || strings.HasSuffix(u.Host, ":"):
		return errors.New("want it without the port that is the default: browsers leave it out")
	}
	for i := range len(o) {
		if o[i] <= ' ' || o[i] >= 0x7f {
			return errors.New("want an international name in its xn-- form")
		}
	}
	return nil
}
