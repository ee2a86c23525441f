#!/usr/bin/env bash
# One would bet: siege, which replays a list of pages as people who have cookies, is after a
# page that logs out somebody without the session's cookie, so that such a list measures
# logins and logouts.
#
# Seen in siege 4.0.7 of Debian 12: neither Max-Age=0 nor an Expires that is over deletes a
# cookie, its value is replaced and it is sent on, empty. Path counts for nothing, and
# SID takes the place of sid.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -q download siege=4.0.7-1+b1 >/dev/null 2>&1 # of Debian 12
dpkg -x ./*.deb unpacked
export HOME="$dir"
cat >server.py <<'PY'
import http.server, urllib.parse

class Page(http.server.BaseHTTPRequestHandler):
    """Sets the cookies of the query's c, and notes the Cookie header."""

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        with open("sent", "a") as f:
            print(url.path, self.headers.get("Cookie") or "nothing", file=f)
        self.send_response(200)
        for line in urllib.parse.parse_qs(url.query).get("c", []):
            self.send_header("Set-Cookie", line)
        self.end_headers()

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 server.py >port &
server=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
page() { echo "http://127.0.0.1:$(cat port)$1?$(python3 -c 'import sys, urllib.parse; print("&".join("c=" + urllib.parse.quote(a) for a in sys.argv[1:]))' "${@:2}")"; }
{
	page /login 'sid=1; Path=/; HttpOnly' 'theme=dark; Path=/; Max-Age=3600' 'cart=2; Path=/shop'
	page /profile
	page /logout 'sid=; Path=/; Max-Age=0' 'theme=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT'
	page /after
	page /other 'SID=2; Path=/'
	page /last
} >pages
unpacked/usr/bin/siege --version >/dev/null 2>&1 || : # writes its settings
unpacked/usr/bin/siege --version 2>&1 | head -1
unpacked/usr/bin/siege -q -c1 -r6 -f pages >/dev/null 2>&1
cat sent
grep -qxF '/profile sid=1;theme=dark;cart=2' sent && grep -qxF '/after sid=;theme=;cart=2' sent && grep -qxF '/last sid=2;theme=;cart=2' sent ||
	{ echo "This has changed."; exit 1; }
