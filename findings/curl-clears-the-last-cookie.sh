#!/usr/bin/env bash
# One would bet: curl -b jar -c jar keeps cookies as a browser does, so that after a
# logout that clears two cookies both are gone.
#
# Seen with curl 7.88.1 of Debian 12: of the cookies that an answer clears, one that was
# read from the file goes only if its Set-Cookie is the last line of the answer. The
# others stay, with the values of before, and are sent again. In one run of curl, without
# the file in between, all of them go. So a logout tried out by a line of curl after the
# other seems not to work.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
version=7.88.1-10+deb12u15 # Debian keeps the newest patch of 7.88.1 only
apt-get -q download "curl=$version" "libcurl4=$version" >/dev/null 2>&1
for file in ./*.deb; do dpkg -x "$file" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
curl() { "$dir/unpacked/usr/bin/curl" -s "$@"; }
curl --version | head -1

cat > server.py <<'PY'
import http.server

class Cookies(http.server.BaseHTTPRequestHandler):
    """/a=1,b= sets a to 1 and clears b, and answers what the browser sent."""

    def do_GET(self):
        self.send_response(200)
        for pair in filter(None, self.path[1:].split(",")):
            self.send_header("Set-Cookie", pair + ("; Path=/; Max-Age=0" if pair.endswith("=") else "; Path=/"))
        self.end_headers()
        self.wfile.write((self.headers.get("Cookie") or "nothing").encode() + b"\n")

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cookies)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 server.py >port &
server=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat port)

sent() { # what is sent after an answer, by a run of curl for each request
	rm -f jar
	for path in a=1,b=1,c=1 "$1"; do curl -c jar -b jar "$url/$path" >/dev/null; done
	curl -b jar "$url/" | tr -d ' ' | tr ';' '\n' | sort | paste -sd' '
}
both=$(sent a=,b=)
other=$(sent b=,a=)
one=$(sent a=)
within=$(curl -b '' "$url/a=1,b=1,c=1" "$url/a=,b=" "$url/" | tail -1)
echo "clear a and b: $both; b and a: $other; a alone: $one; a and b in one run: $within"
[ "$both" = "a=1 c=1" ] && [ "$other" = "b=1 c=1" ] && [ "$one" = "b=1 c=1" ] && [ "$within" = "c=1" ] || { echo "This has changed."; exit 1; }
