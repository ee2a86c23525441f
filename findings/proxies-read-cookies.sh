#!/usr/bin/env bash
# One would bet: where a configuration asks for a cookie by its name, to choose a language or
# a cache entry, nginx ($cookie_lang), HAProxy (req.cook(lang)) and Varnish (vmod cookie's
# get) see the same value that the application behind them sees: names are
# case-sensitive, of two of a name it is the first, and a value ends at a semicolon.
#
# Seen in nginx 1.22.1, HAProxy 2.6.12 and Varnish 7.1.1 of Debian 12:
#   lang=de; lang=fr   nginx de, HAProxy fr, Varnish fr
#   LANG=de            nginx de, the other two nothing
#   lang=de,fr         nginx and Varnish de,fr, HAProxy de
# Python's http.cookies, beside them as an application, has fr, nothing and de,fr.
set -euo pipefail
dir=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || :; wait 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
# Debian 12's packages, unpacked here. Varnish compiles its configuration with cc.
apt-get -q download haproxy=2.6.12-1+deb12u4 liblua5.3-0=5.3.6-2 libopentracing-c-wrapper0=1.1.3-3+b1 libopentracing1=1.6.0-4 \
	nginx=1.22.1-9+deb12u11 varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 libjemalloc2=5.3.0-1 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" unpacked; done
lib=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH="$lib:$lib/varnish"
unpacked/usr/sbin/haproxy -v | sed -n 1p
unpacked/usr/sbin/nginx -e stderr -v 2>&1
unpacked/usr/sbin/varnishd -V 2>&1 | sed -n 1p

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
n=$(free) h=$(free) v=$(free)
cat >nginx.conf <<CFG
daemon off; master_process off; pid $dir/pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $dir/b; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s; proxy_temp_path $dir/p;
    server { listen 127.0.0.1:$n; location / { return 200 "\$cookie_lang"; } }
}
CFG
unpacked/usr/sbin/nginx -p "$dir" -e stderr -c "$dir/nginx.conf" >nginx.log 2>&1 & pids+=($!)
cat >haproxy.cfg <<CFG
defaults
    mode http
    timeout client 60s
frontend web
    bind 127.0.0.1:$h
    http-request return status 200 content-type text/plain lf-string "%[req.cook(lang)]"
CFG
unpacked/usr/sbin/haproxy -db -f haproxy.cfg >haproxy.log 2>&1 & pids+=($!)
cat >varnish.vcl <<'VCL'
vcl 4.1;
import cookie;
backend none none;
sub vcl_recv {
    cookie.parse(req.http.Cookie);
    return (synth(200));
}
sub vcl_synth {
    synthetic("");
    if (cookie.isset("lang")) {
        synthetic(cookie.get("lang"));
    }
    return (deliver);
}
VCL
unpacked/usr/sbin/varnishd -F -j none -n "$dir/varnish" -a "127.0.0.1:$v" -f "$dir/varnish.vcl" -s malloc,16M \
	-p "vmod_path=$lib/varnish/vmods" >varnish.log 2>&1 & pids+=($!)
for port in $n $h $v; do
	for _ in $(seq 300); do if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi; sleep 0.1; done
done

python3 - "$n" "$h" "$v" <<'PY'
import http.client, http.cookies, sys

def ask(port, cookie):
    c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    c.request("GET", "/", headers={"Cookie": cookie})
    return c.getresponse().read().decode().strip()

want = {
    "lang=de; lang=fr": ["de", "fr", "fr", "fr"],
    "LANG=de": ["de", "", "", ""],
    "lang=de,fr": ["de,fr", "de", "de,fr", "de,fr"],
}
changed = False
print("%-18s %-8s %-8s %-8s %s" % ("Cookie", "nginx", "HAProxy", "Varnish", "Python"))
for cookie, expected in want.items():
    read = http.cookies.SimpleCookie(cookie).get("lang")
    got = [ask(port, cookie) for port in sys.argv[1:]] + [read.value if read else ""]
    print("%-18s %-8s %-8s %-8s %s" % (cookie, *(g or "-" for g in got)))
    changed = changed or got != expected
if changed:
    sys.exit("This has changed.")
PY
