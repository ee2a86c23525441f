#!/usr/bin/env bash
# One would bet: an attribute of Set-Cookie that a browser does not know, it ignores: RFC
# 6265 and Netscape's specification say so, and SameSite could not have been added otherwise.
#
# Seen in Lynx 2.9.0dev.12 of Debian 12: what it does not know is another cookie. A session's
# line with SameSite=Lax at any place makes it send SameSite=Lax beside the session to every
# page. The other way, a value ends at a comma.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
# Debian 12's packages, unpacked here.
apt-get -q download lynx=2.9.0dev.12-1 lynx-common=2.9.0dev.12-1 libbsd0=0.11.7-2 libmd0=1.0.4-2 >/dev/null 2>&1
for file in ./*.deb; do dpkg -x "$file" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH HOME="$dir"
printf 'SET_COOKIES:TRUE\nACCEPT_ALL_COOKIES:TRUE\n' >lynx.cfg
touch lynx.lss
lynx() { "$dir/unpacked/usr/bin/lynx" -cfg="$dir/lynx.cfg" -lss="$dir/lynx.lss" "$@" </dev/null; }
lynx -version | head -1
cat >server.py <<'PY'
import http.server, urllib.parse

class Page(http.server.BaseHTTPRequestHandler):
    """Sets the cookies of the query's c, and leads on to a page that is the Cookie header."""

    def do_GET(self):
        lines = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query).get("c", [])
        self.send_response(302 if lines else 200)
        for line in lines:
            self.send_header("Set-Cookie", line)
        if lines:
            self.send_header("Location", "/")
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write((self.headers.get("Cookie") or "nothing").encode() + b"\n")

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 server.py >port &
server=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
page() { echo "http://127.0.0.1:$(cat port)/?$(python3 -c 'import sys, urllib.parse; print("&".join("c=" + urllib.parse.quote(a) for a in sys.argv[1:]))' "$@")"; }

changed=0
row() { # what it sends, in the same run, after the Set-Cookie lines
	local got
	got=$(lynx -dump "$(page "${@:2}")" | tr -d '\n')
	printf '%s\n' "${@:2}" "    then: $got"
	[ "$got" = "$1" ] || changed=1
}
row 'sid=1; SameSite=Lax' 'sid=1; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax'
row 'sid=1; SameSite=Strict' 'sid=1; SameSite=Strict; Path=/'
row 'sid=1; Priority=High' 'sid=1; Path=/; Priority=High'
row 'seen=4' 'seen=4,6; Path=/'
[ $changed = 0 ] || { echo "This has changed."; exit 1; }
