#!/usr/bin/env bash
# One would bet: a text browser of today, on 64 bits, keeps a cookie whose Expires is far
# ahead at least until it is closed; Max-Age wins over Expires, wherever it stands; and
# SID and sid are two cookies.
#
# Seen in w3m 0.5.3+git20230121 of Debian 12: a cookie that expires after 19 January 2038 is
# never sent and in no file, without a word, and one that expires the day before is kept. Of
# Max-Age and Expires the one that comes last in the line counts. SID takes the place of sid.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
# Debian 12's packages, unpacked here.
apt-get -q download w3m=0.5.3+git20230121-2 libgc1=1:8.2.2-3 libgpm2=1.20.7-10+b1 >/dev/null 2>&1
for file in ./*.deb; do dpkg -x "$file" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH HOME="$dir"
w3m() { "$dir/unpacked/usr/bin/w3m" -o use_cookie=1 -o accept_cookie=1 -dump "$1" </dev/null; }
"$dir/unpacked/usr/bin/w3m" -version | cut -d, -f1

cat >server.py <<'PY'
import http.server, urllib.parse

class Page(http.server.BaseHTTPRequestHandler):
    """Sets the cookies of the query's c, and leads on to a page that is the Cookie header."""

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        self.send_response(302 if "c" in query else 200)
        for line in query.get("c", []):
            self.send_header("Set-Cookie", line)
        if "c" in query:
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

changed=0
sends() { # what w3m sends, in the same run, after these Set-Cookie lines
	local want=$1 got
	shift
	rm -rf .w3m
	got=$(w3m "http://127.0.0.1:$(cat port)/?$(python3 -c 'import sys, urllib.parse; print("&".join("c=" + urllib.parse.quote(a) for a in sys.argv[1:]))' "$@")" | tr -d '\n')
	printf '%s\n' "$@" "    then: $got"
	[ "$got" = "$want" ] || changed=1
}
sends 'a=1' 'a=1; Expires=Mon, 18 Jan 2038 00:00:00 GMT' 'b=1; Expires=Wed, 20 Jan 2038 00:00:00 GMT'
sends 'b=1' 'a=1; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT' 'b=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=3600'
sends 'SID=2' 'sid=1' 'SID=2'
[ $changed = 0 ] || { echo "This has changed."; exit 1; }
