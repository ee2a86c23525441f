#!/usr/bin/env bash
# One would bet: text browsers of today keep cookies by RFC 6265 where it is plain: SID and
# sid are two, one that expires in twelve years is kept, and an empty value with Expires at
# the beginning of 1970, which is how most frameworks write a logout, deletes.
#
# Seen in Debian 12's w3m 0.5.3+git20230121, ELinks 0.13.2 and Links 2.28:
#   all three    SID takes the place of sid,
#   w3m, ELinks  a cookie that expires after 19 January 2038 is never sent,
#   ELinks       Expires of 00:00:00 deletes nothing, the cookie stays and is empty; one
#                of 00:00:01 does,
#   Links        a line with an empty value is ignored, whatever its Expires, so that
#                the old value stays; one with a value is not.
# Deletions here have no Max-Age.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
# Debian 12's packages, unpacked here.
apt-get -q download w3m=0.5.3+git20230121-2 libgc1=1:8.2.2-3 libgpm2=1.20.7-10+b1 \
	elinks=0.13.2-1+b4 libev4=1:4.33-1 libfsplib0=0.14-5 libidn12=1.41-1 liblua5.1-0=5.1.5-9 \
	libperl5.36=5.36.0-7+deb12u4 libtre5=0.8.0-7 links=2.28-1+b2 liblz1=1.13-5 >/dev/null 2>&1
for file in ./*.deb; do dpkg -x "$file" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH HOME="$dir/home"
bin=$dir/unpacked/usr/bin
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
row() { # what each sends, in the same run, after the Set-Cookie lines
	local url got
	url=$(page "${@:4}")
	printf '%s\n' "${@:4}"
	for browser in w3m elinks links; do
		rm -rf home && mkdir home
		case $browser in
		w3m) got=$("$bin/w3m" -o use_cookie=1 -o accept_cookie=1 -dump "$url" </dev/null) ;;
		elinks) got=$("$bin/elinks" -no-home -dump "$url" </dev/null) ;;
		links) got=$("$bin/links" -dump -enable-cookies 1 "$url" </dev/null) ;;
		esac
		got=$(echo "$got" | tr -s ' \n' ' ' | sed 's/^ //; s/ $//')
		printf '    %-7s %s\n' "$browser" "$got"
		[ "$got" = "$1" ] || changed=1
		shift
	done
}
row 'SID=2' 'SID=2' 'SID=2' 'sid=1' 'SID=2'
row 'b=1' 'b=1' 'a=1; b=1' 'a=1; Expires=Wed, 20 Jan 2038 00:00:00 GMT' 'b=1; Expires=Mon, 18 Jan 2038 00:00:00 GMT'
row 'b=1' 'b=1; a=' 'a=1; b=1' 'a=1' 'a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT' 'b=1'
row 'b=1' 'b=1' 'a=1; b=1' 'a=1' 'a=; Expires=Thu, 01 Jan 1970 00:00:01 GMT' 'b=1'
row 'b=1' 'b=1' 'b=1' 'a=1' 'a=deleted; Expires=Thu, 01 Jan 1970 00:00:01 GMT' 'b=1'
[ $changed = 0 ] || { echo "This has changed."; exit 1; }
