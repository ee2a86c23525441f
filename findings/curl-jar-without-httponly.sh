#!/usr/bin/env bash
# One would bet: the cookie file of Netscape's format that curl writes is read by whatever
# reads that format, wget above all: log in with one, download with the other.
#
# Seen with curl 7.88.1, Wget 1.21.3, aria2 1.36.0 and HTTP::Cookies 6.10, all of Debian 12:
# curl begins the line of a cookie with HttpOnly by "#HttpOnly_". To wget and aria2 that
# is a comment. Of a login's two cookies, the session's with HttpOnly and the theme's
# without, they send the theme's alone, say nothing, and get the page of a visitor. curl
# itself, Perl and Python send both. aria2 ends its Cookie header with a semicolon.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .

# Debian 12's packages, unpacked here.
apt-get -q download curl=7.88.1-10+deb12u15 libcurl4=7.88.1-10+deb12u15 wget=1.21.3-1+deb12u1 aria2=1.36.0-1 libaria2-0=1.36.0-1 \
	libc-ares2=1.18.1-3 libssh2-1=1.10.0-3+deb12u1 libxml2=2.9.14+dfsg-1.3~deb12u6 libicu72=72.1-3+deb12u1 libsqlite3-0=3.40.1-2+deb12u2 \
	libpsl5=0.21.2-1 libhttp-cookies-perl=6.10-1 libhttp-message-perl=6.44-1 libhttp-date-perl=6.05-2 >/dev/null 2>&1
for file in ./*.deb; do dpkg -x "$file" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH PATH="$dir/unpacked/usr/bin:$PATH" PERL5LIB="$dir/unpacked/usr/share/perl5"
curl --version | head -1 | cut -c1-11
wget --version | head -1 | cut -c1-15
aria2c --version | head -1

cat >server.py <<'PY'
import http.server

class Login(http.server.BaseHTTPRequestHandler):
    """/login sets two cookies; every other page is the Cookie header that it was asked with."""

    def do_GET(self):
        self.send_response(200)
        if self.path == "/login":
            self.send_header("Set-Cookie", "sid=abc; Path=/; HttpOnly; Max-Age=3600")
            self.send_header("Set-Cookie", "theme=dark; Path=/; Max-Age=3600")
        self.end_headers()
        self.wfile.write((self.headers.get("Cookie") or "nothing").encode())

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Login)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 server.py >port &
server=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat port)

curl -s -c jar "$url/login" >/dev/null
grep -v '^# ' jar | sed '/^$/d; s/[0-9]\{10\}/<expires>/'
with_curl=$(curl -s -b jar "$url/")
with_wget=$(wget -q --no-config -O - --load-cookies jar "$url/")
aria2c --no-conf -q --load-cookies jar -o page "$url/"
with_aria2=$(cat page)
# The library reads the file and makes the header; no client of HTTP is needed for it.
with_perl=$(perl -MHTTP::Cookies::Netscape -MHTTP::Request -e '
	my $r = HTTP::Request->new(GET => $ARGV[0]);
	HTTP::Cookies::Netscape->new(file => "jar")->add_cookie_header($r);
	print $r->header("Cookie")' "$url/")
with_python=$(python3 -c '
import http.cookiejar, sys, urllib.request
jar = http.cookiejar.MozillaCookieJar("jar")
jar.load()
r = urllib.request.Request(sys.argv[1])
jar.add_cookie_header(r)
print(r.get_header("Cookie"))' "$url/")
printf '%-7s sends %s\n' curl "$with_curl" wget "$with_wget" aria2 "$with_aria2" perl "$with_perl" python "$with_python"
[ "$with_wget" = "theme=dark" ] && [ "$with_aria2" = "theme=dark;" ] &&
	[ "$with_curl" = "theme=dark; sid=abc" ] && [ "$with_perl" = "theme=dark; sid=abc" ] && [ "$with_python" = "theme=dark; sid=abc" ] ||
	{ echo "This has changed."; exit 1; }
