//go:build linux

package proxies

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A kind is one of the proxies: what it needs, and how its configuration is
// made to run in a folder on free ports.
type kind struct {
	programs map[string]string // each with its Debian package
	prepare  func(*setup) (commands [][]string, err error)
}

var kinds = map[string]*kind{
	"nginx":   {map[string]string{"nginx": "nginx"}, nginx},
	"HAProxy": {map[string]string{"haproxy": "haproxy"}, haproxy},
	"Apache":  {map[string]string{"apache2": "apache2"}, apache},
	"Caddy":   {map[string]string{"caddy": "caddy"}, caddy},
	"Varnish": {map[string]string{"varnishd": "varnish", "haproxy": "haproxy"}, varnish},
}

// A setup is what a configuration is made for.
type setup struct {
	Options
	dir                string
	http, https, inner int // ports
}

func (s *setup) file(name string) string { return filepath.Join(s.dir, name) }

// write puts a file into the folder.
func (s *setup) write(name, text string) error {
	return os.WriteFile(s.file(name), []byte(text), 0o644)
}

// writeCertificate writes one file with both, as some want it, and the key.
func (s *setup) writeCertificate() error {
	if err := s.write("both.pem", string(s.Certificate)+string(s.Key)); err != nil {
		return err
	}
	return s.write("key.pem", string(s.Key))
}

// adapt puts the test's names, files and ports in place of the guide's. pairs
// say where ports stand in this proxy's language.
func (s *setup) adapt(site string, pairs ...string) string {
	return strings.NewReplacer(append(pairs,
		"127.0.0.1:8080", s.Upstream,
		"/etc/ssl/app.example.pem", s.file("both.pem"),
		"/etc/ssl/app.example.key", s.file("key.pem"),
		"app.example", s.Host,
	)...).Replace(site)
}

func nginx(s *setup) ([][]string, error) {
	site := s.adapt(s.Site, "listen 80", "listen "+local(s.http), "listen 443", "listen "+local(s.https))
	text := fmt.Sprintf("daemon off;\npid %s;\nerror_log stderr;\nworker_processes 1;\nevents {}\nhttp {\naccess_log off;\n", s.file("pid"))
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += fmt.Sprintf("%s_temp_path %s;\n", what, s.file(what))
	}
	return [][]string{{"nginx", "-p", s.dir, "-e", "stderr", "-c", s.file("nginx.conf")}}, s.write("nginx.conf", text+site+"}\n")
}

// debianHAProxy is what Debian's configuration begins with, as far as it
// matters here.
const debianHAProxy = `defaults
    mode http
    timeout connect 5000
    timeout client  50000
    timeout server  50000

`

func haproxy(s *setup) ([][]string, error) {
	site := s.adapt(s.Site, "bind :80", "bind "+local(s.http), "bind :443", "bind "+local(s.https))
	return [][]string{{"haproxy", "-db", "-f", s.file("haproxy.cfg")}}, s.write("haproxy.cfg", debianHAProxy+site)
}

// debianApache are the modules that Debian enables, without those that need
// more configuration and serve files.
const debianApache = "mpm_event authz_core authz_host authn_core access_compat alias dir env filter reqtimeout setenvif"

// needed are the modules that a2enmod enables with others.
var needed = map[string]string{"ssl": "socache_shmcb"}

func apache(s *setup) ([][]string, error) {
	modules := strings.Fields(debianApache)
	if _, line, ok := strings.Cut(s.Site, "# a2enmod "); ok {
		line, _, _ = strings.Cut(line, "\n")
		for _, module := range strings.Fields(line) {
			modules = append(modules, strings.Fields(needed[module]+" "+module)...)
		}
	}
	text := fmt.Sprintf("ServerRoot %s\nDefaultRuntimeDir %[1]s\nPidFile %[1]s/pid\nErrorLog %[1]s/log\nLogLevel warn\nServerName %s\nListen %s\nListen %s https\n",
		s.dir, s.Host, local(s.http), local(s.https))
	for _, module := range modules {
		text += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", module)
		if module == "http2" { // as mods-available/http2.conf
			text += "Protocols h2 h2c http/1.1\n"
		}
	}
	site := s.adapt(s.Site, "*:80>", fmt.Sprintf("*:%d>", s.http), "*:443>", fmt.Sprintf("*:%d>", s.https))
	return [][]string{{"apache2", "-DFOREGROUND", "-d", s.dir, "-f", s.file("apache2.conf")}}, s.write("apache2.conf", text+site)
}

func caddy(s *setup) ([][]string, error) {
	text := fmt.Sprintf("{\n\tadmin off\n\thttp_port %d\n\thttps_port %d\n\tdefault_bind 127.0.0.1\n\tskip_install_trust\n}\n", s.http, s.https)
	// Else it would ask an authority on the internet for a certificate.
	site := s.adapt(strings.Replace(s.Site, "{\n", fmt.Sprintf("{\n\ttls %s %s\n", s.file("both.pem"), s.file("key.pem")), 1))
	return [][]string{{"caddy", "run", "--config", s.file("Caddyfile"), "--adapter", "caddyfile"}}, s.write("Caddyfile", text+site)
}

// varnish speaks no TLS: the guide puts HAProxy in front of it.
func varnish(s *setup) ([][]string, error) {
	_, port, _ := strings.Cut(s.Upstream, ":")
	if err := s.write("site.vcl", s.adapt(s.Site, `"8080"`, `"`+port+`"`)); err != nil {
		return nil, err
	}
	page, err := readGuide()
	if err != nil {
		return nil, err
	}
	front, err := block(page, "### Varnish as we recommend it\n", 1)
	if err != nil {
		return nil, err
	}
	front = s.adapt(front, "bind :443", "bind "+local(s.https), "127.0.0.1:6086", local(s.inner))
	return [][]string{
		{"varnishd", "-F", "-j", "none", "-n", s.file("varnish"), "-f", s.file("site.vcl"), "-s", "malloc,16m", "-p", "feature=+http2",
			"-a", "http=" + local(s.http), "-a", "tls=" + local(s.inner) + ",PROXY"},
		{"haproxy", "-db", "-f", s.file("haproxy.cfg")},
	}, s.write("haproxy.cfg", debianHAProxy+front)
}
