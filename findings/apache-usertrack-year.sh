#!/usr/bin/env bash
# One would bet: mod_usertrack of today's Apache sets a cookie whose Expires has a year of
# four digits, as RFC 6265 wants it of servers, and every HTTP library takes that cookie for
# one that lasts.
#
# Seen in Apache 2.4.71 of Debian 12: with CookieExpires and no CookieStyle the date is
#   expires=Mon, 30-Nov-26 01:00:47 GMT
# with two digits, which curl, Python's http.cookiejar and Perl's HTTP::Cookies read as
# 2026. Go's net/http, up to 1.26, keeps the words in RawExpires and leaves Expires zero: for
# its cookiejar, and for whoever passes that cookie on, it ends with the process.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${apache:-}" 2>/dev/null || :; wait 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
# Debian 12's packages, unpacked here; of Go the one that is installed.
apt-get -q download apache2-bin=2.4.71-1~deb12u1 libaprutil1=1.6.3-1+deb12u1 libapr1=1.7.2-3+deb12u1 \
	curl=7.88.1-10+deb12u15 libcurl4=7.88.1-10+deb12u15 \
	libhttp-cookies-perl=6.10-1 libhttp-message-perl=6.44-1 libhttp-date-perl=6.05-2 >/dev/null 2>&1
for file in ./*.deb; do dpkg -x "$file" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH PERL5LIB="$dir/unpacked/usr/share/perl5"
unpacked/usr/sbin/apache2 -v | head -1
go version

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
modules=$dir/unpacked/usr/lib/apache2/modules
mkdir web && echo hello >web/index && chmod -R a+rX .
cat >apache.conf <<CFG
ServerRoot $dir
PidFile $dir/pid
ErrorLog $dir/errors
ServerName localhost
Listen 127.0.0.1:$port
User nobody
Group nogroup
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule usertrack_module $modules/mod_usertrack.so
DocumentRoot $dir/web
CookieTracking on
CookieName track
CookieExpires "1 hours"
CFG
unpacked/usr/sbin/apache2 -X -f "$dir/apache.conf" &
apache=$!
for _ in $(seq 300); do if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi; sleep 0.1; done
url=http://127.0.0.1:$port/index

unpacked/usr/bin/curl -s -c jar -D headers -o body "$url"
line=$(sed -n 's/^Set-Cookie: //Ip' headers | tr -d '\r')
echo "Set-Cookie: $line"
echo "$line" | grep -qE 'expires=[A-Z][a-z]{2}, [0-9]{2}-[A-Z][a-z]{2}-[0-9]{2} ' || { echo "This has changed."; exit 1; }
in_curl=$(awk '$6 == "track" { print ($5 > 0) ? "lasts" : "ends with the process" }' jar)
in_perl=$(perl -MHTTP::Cookies -MHTTP::Request -MHTTP::Response -e '
	my $r = HTTP::Response->new(200); $r->push_header("Set-Cookie" => $ARGV[1]);
	$r->request(HTTP::Request->new(GET => $ARGV[0]));
	my $jar = HTTP::Cookies->new; $jar->extract_cookies($r);
	$jar->scan(sub { print $_[8] ? "lasts" : "ends with the process" })' "$url" "$line")
in_python=$(python3 - "$url" <<'PY'
import http.cookiejar, sys, urllib.request
jar = http.cookiejar.CookieJar()
urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(sys.argv[1])
print("lasts" if all(c.expires for c in jar) and len(jar) else "ends with the process")
PY
)
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	resp, err := http.Get(os.Args[1])
	if err != nil {
		panic(err)
	}
	if c := resp.Cookies()[0]; c.Expires.IsZero() && c.MaxAge == 0 && c.RawExpires != "" {
		fmt.Println("ends with the process")
	} else {
		fmt.Println("lasts")
	}
}
GO
in_go=$(GO111MODULE=off GOFLAGS='' go run main.go "$url")
printf 'curl: %s\nPerl: %s\nPython: %s\nGo: %s\n' "$in_curl" "$in_perl" "$in_python" "$in_go"
[ "$in_curl,$in_perl,$in_python,$in_go" = "lasts,lasts,lasts,ends with the process" ] || { echo "This has changed."; exit 1; }
