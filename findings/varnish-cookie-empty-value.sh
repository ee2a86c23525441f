#!/usr/bin/env bash
# One would bet: Varnish's vmod cookie, which sites use to pass on only the cookies that
# matter, passes those on as they came: parse and get_string without a filter in between
# give the Cookie header again.
#
# Seen in Varnish 7.1.1 of Debian 12: a cookie with an empty value is dropped, although one
# without an equals sign stays; of two with one name the last is left, in the place of the
# first; and the header ends with a semicolon.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${varnish:-}" 2>/dev/null || :; wait 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
# Debian 12's packages, unpacked here. Varnish compiles its configuration with cc.
apt-get -q download varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 libjemalloc2=5.3.0-1 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" unpacked; done
lib=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH="$lib:$lib/varnish"
unpacked/usr/sbin/varnishd -V 2>&1 | sed -n 1p

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >varnish.vcl <<'VCL'
vcl 4.1;
import cookie;
backend none none;
sub vcl_recv {
    cookie.parse(req.http.Cookie);
    set req.http.Cookie = cookie.get_string();
    return (synth(200));
}
sub vcl_synth {
    synthetic(req.http.Cookie);
    return (deliver);
}
VCL
unpacked/usr/sbin/varnishd -F -j none -n "$dir/varnish" -a "127.0.0.1:$port" -f "$dir/varnish.vcl" -s malloc,16M \
	-p "vmod_path=$lib/varnish/vmods" >varnish.log 2>&1 &
varnish=$!
for _ in $(seq 300); do if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi; sleep 0.1; done

python3 - "$port" <<'PY'
import http.client, sys

changed = False
for cookie, want in [
    ("seen=; theme=dark", "theme=dark;"),
    ("seen; theme=dark", "seen; theme=dark;"),
    ("lang=de; theme=dark; lang=fr", "lang=fr; theme=dark;"),
    ("theme=dark", "theme=dark;"),
]:
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    c.request("GET", "/", headers={"Cookie": cookie})
    got = c.getresponse().read().decode().strip()
    print("%-30s -> %s" % (cookie, got))
    changed = changed or got != want
if changed:
    sys.exit("This has changed.")
PY
