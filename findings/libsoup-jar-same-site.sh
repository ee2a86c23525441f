#!/usr/bin/env bash
# One would bet: a cookie file of Netscape's format has seven fields a line, whoever wrote
# it, and is read by what reads the format; where a reader knows one field more than
# another, the line of the other reader still has its name and value.
#
# Seen in libsoup 3.2.3 of Debian 12: its SoupCookieJarText, the "text" cookie storage of
# WebKitGTK, writes SameSite as an eighth field. Of such a file
#   curl 7.88.1        sends no cookie at all, and says nothing,
#   Python 3.11        reads nothing: MozillaCookieJar raises LoadError for the file,
#   Wget 1.21.3        sends the eighth field as part of the value, after a tab,
#   HTTP::Cookies 6.10 sends name and value as they are.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .

# Debian 12's packages, unpacked here, for its Python 3.11.
apt-get -q download gir1.2-soup-3.0=3.2.3-0+deb12u2 libsoup-3.0-0=3.2.3-0+deb12u2 python3-gi=3.42.2-3+b1 libgirepository-1.0-1=1.74.0-3 \
	gir1.2-glib-2.0=1.74.0-3 curl=7.88.1-10+deb12u15 libcurl4=7.88.1-10+deb12u15 wget=1.21.3-1+deb12u1 libpsl5=0.21.2-1 \
	libhttp-cookies-perl=6.10-1 libhttp-message-perl=6.44-1 libhttp-date-perl=6.05-2 >/dev/null 2>&1
for file in ./*.deb; do dpkg -x "$file" unpacked; done
lib=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH="$lib" GI_TYPELIB_PATH="$lib/girepository-1.0" PYTHONPATH="$dir/unpacked/usr/lib/python3/dist-packages" \
	PATH="$dir/unpacked/usr/bin:$PATH" PERL5LIB="$dir/unpacked/usr/share/perl5"

cat >server.py <<'PY'
import http.server

class Page(http.server.BaseHTTPRequestHandler):
    """Every page is the Cookie header that it was asked with."""

    def do_GET(self):
        self.send_response(200)
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
url=http://127.0.0.1:$(cat port)/

/usr/bin/python3 - "$url" <<'PY'
import sys, gi
gi.require_version("Soup", "3.0")
from gi.repository import GLib, Soup
print("libsoup %d.%d.%d" % (Soup.get_major_version(), Soup.get_minor_version(), Soup.get_micro_version()))
jar = Soup.CookieJarText.new("jar", False)
jar.set_cookie(GLib.Uri.parse(sys.argv[1], GLib.UriFlags.NONE), "theme=dark; Path=/; SameSite=Lax; Max-Age=3600")
PY
grep -v '^#' jar | sed '/^$/d; s/[0-9]\{10\}/<expires>/' | cat -A
with_curl=$(curl -s -b jar "$url")
with_wget=$(wget -q --no-config -O - --load-cookies jar "$url")
with_perl=$(perl -MHTTP::Cookies::Netscape -MHTTP::Request -e '
	my $r = HTTP::Request->new(GET => $ARGV[0]);
	HTTP::Cookies::Netscape->new(file => "jar")->add_cookie_header($r);
	print $r->header("Cookie")' "$url")
with_python=$(/usr/bin/python3 -W ignore -c '
import http.cookiejar
try:
    http.cookiejar.MozillaCookieJar("jar").load()
except http.cookiejar.LoadError:
    print("LoadError")' 2>/dev/null)
printf '%-7s %q\n' curl "$with_curl" wget "$with_wget" perl "$with_perl" python "$with_python"
[ "$with_curl" = nothing ] && [ "$with_wget" = $'theme=dark\tLax' ] && [ "$with_perl" = "theme=dark" ] && [ "$with_python" = LoadError ] ||
	{ echo "This has changed."; exit 1; }
