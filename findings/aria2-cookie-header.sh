#!/usr/bin/env bash
# One would bet: a client sends a cookie's value as it was set, with the quotes that it had,
# and joins cookies with a semicolon and a space, with nothing after the last: RFC 6265
# says both.
#
# Seen in aria2 1.36.0 of Debian 12: it takes the quotes off, also in the cookie file that
# it writes, and sends a=1;b=2; without the space and with a semicolon at the end.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
# Debian 12's packages, unpacked here.
apt-get -q download aria2=1.36.0-1 libaria2-0=1.36.0-1 libc-ares2=1.18.1-3 libssh2-1=1.10.0-3+b1 >/dev/null 2>&1
for file in ./*.deb; do dpkg -x "$file" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH HOME="$dir"
aria2c() { "$dir/unpacked/usr/bin/aria2c" -q --no-conf --allow-overwrite=true -o page "$@"; }
"$dir/unpacked/usr/bin/aria2c" --version | head -1

cat >server.py <<'PY'
import http.server

class Page(http.server.BaseHTTPRequestHandler):
    """/set sets three cookies; every page is the Cookie header that it was asked with."""

    def do_GET(self):
        self.send_response(200)
        if self.path == "/set":
            for line in ('a=1; Path=/; Max-Age=3600', 'b="two words"; Path=/; Max-Age=3600', 'c="3"; Path=/; Max-Age=3600'):
                self.send_header("Set-Cookie", line)
        self.end_headers()
        self.wfile.write((self.headers.get("Cookie") or "nothing").encode())

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 server.py >port &
server=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat port)

aria2c --save-cookies=jar "$url/set"
echo "set: a=1, b=\"two words\", c=\"3\""
echo "in the file: $(cut -f6,7 --output-delimiter== jar | paste -sd' ')"
aria2c --load-cookies=jar "$url/get"
echo "sent: $(cat page)"
[ "$(cat page)" = 'a=1;b=two words;c=3;' ] || { echo "This has changed."; exit 1; }
