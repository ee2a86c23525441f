#!/usr/bin/env bash
# One would bet: a cache ignores members of Cache-Control that it does not know
# (RFC 9111 §5.2.3), and what stands inside a quoted string of theirs all the more.
#
# Seen in nginx 1.22.1 with proxy_cache: it looks for the letters "no-store",
# "no-cache" and "private" anywhere in the header. An answer with
#   max-age=60, x-no-store        max-age=60, note="private talk"
# is not kept. HAProxy 2.6.12, which divides the header into members, keeps both.
# Of two max-age nginx takes the first, and HAProxy keeps nothing where one is 0;
# max-age="60", quoted, counts for HAProxy alone.
set -euo pipefail
dir=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || :; wait 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"

# Debian 12's packages, unpacked here; python3 is the application.
apt-get -q download haproxy=2.6.12-1+deb12u4 liblua5.3-0=5.3.6-2 libopentracing-c-wrapper0=1.1.3-3+b1 libopentracing1=1.6.0-4 \
	nginx=1.22.1-9+deb12u11 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" unpacked; done
export LD_LIBRARY_PATH="$dir/unpacked/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo x86_64-linux-gnu)"
unpacked/usr/sbin/haproxy -v | sed -n 1p
unpacked/usr/sbin/nginx -e stderr -v

cat >app.py <<'PY'
import http.server, os, socketserver, urllib.parse
made = 0
class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        global made
        made += 1
        body = str(made).encode()
        self.send_response(200)
        self.send_header("Cache-Control", urllib.parse.unquote(self.path[1:]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    def handle_error(self, *args): pass
server = Server(("127.0.0.1", 0), App)
with open("port.tmp", "w") as f: f.write(str(server.server_address[1]))
os.rename("port.tmp", "port")
server.serve_forever()
PY
python3 app.py & pids+=($!)
until [ -s port ]; do sleep 0.1; done
app=$(cat port)
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
h=$(free) n=$(free)

cat >haproxy.cfg <<CFG
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
cache app
    total-max-size 4
    max-age 60
frontend web
    bind 127.0.0.1:$h
    default_backend app
backend app
    http-request cache-use app
    http-response cache-store app
    server app1 127.0.0.1:$app
CFG
unpacked/usr/sbin/haproxy -db -f haproxy.cfg >haproxy.log 2>&1 & pids+=($!)
cat >nginx.conf <<CFG
daemon off; master_process off; pid $dir/pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $dir/b; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s; proxy_temp_path $dir/p;
    proxy_cache_path $dir/cache keys_zone=app:1m;
    server { listen 127.0.0.1:$n; location / { proxy_pass http://127.0.0.1:$app; proxy_cache app; } }
}
CFG
unpacked/usr/sbin/nginx -p "$dir" -e stderr -c "$dir/nginx.conf" >nginx.log 2>&1 & pids+=($!)
for port in $h $n; do
	for _ in $(seq 300); do if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi; sleep 0.1; done
done

cat >ask.py <<'PY'
import sys, urllib.parse, urllib.request
haproxy, nginx = sys.argv[1:3]
def kept(port, control):
    url = "http://127.0.0.1:%s/%s" % (port, urllib.parse.quote(control, safe=""))
    get = lambda: urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60).read()
    return get() == get()
changed = False
for control, h, n in [
    ('max-age=60', True, True),
    ('max-age=60, no-store', False, False),
    ('max-age=60, x-no-store', True, False),
    ('max-age=60, no-cache-please', True, False),
    ('max-age=60, note="private talk"', True, False),
    ('max-age=60, max-age=0', False, True),
    ('max-age="60"', True, False),
]:
    got = kept(haproxy, control), kept(nginx, control)
    print("%-45s HAProxy %-10s nginx %s" % ((control,) + tuple("keeps it" if g else "does not" for g in got)))
    changed |= got != (h, n)
if changed:
    sys.exit("CHANGED: want HAProxy to keep the 1st, the 3rd to the 5th and the 7th, nginx the 1st and the 6th")
PY
python3 ask.py "$h" "$n"
