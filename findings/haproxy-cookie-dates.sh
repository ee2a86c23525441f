#!/usr/bin/env bash
# One would bet: the two dates that HAProxy puts behind a server's name in its cookie, for
# maxidle and maxlife, are Unix times; in the five letters after each bar there is room for
# 30 bits, which seconds have outgrown in 2004, so that they count from some later day.
#
# Seen in HAProxy 2.6.12 of Debian 12: they count units of four seconds since 1970, with
# A-Z, a-z, 0-9, + and / as digits, the most significant first: 30 bits of them last until
# 2106. A second request three seconds after the first may have the same dates.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${haproxy:-}" 2>/dev/null || :; wait 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
# Debian 12's packages, unpacked here. HAProxy is the application too.
apt-get -q download haproxy=2.6.12-1+deb12u4 liblua5.3-0=5.3.6-2 libopentracing-c-wrapper0=1.1.3-3+b1 libopentracing1=1.6.0-4 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
unpacked/usr/sbin/haproxy -v | sed -n 1p

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
app=$(free) web=$(free)
cat >haproxy.cfg <<CFG
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend app
    bind 127.0.0.1:$app
    http-request return status 200 content-type text/plain string "hello"
frontend web
    bind 127.0.0.1:$web
    default_backend servers
backend servers
    cookie SRV insert indirect nocache maxidle 30m maxlife 8h
    server s1 127.0.0.1:$app cookie one
CFG
unpacked/usr/sbin/haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &
haproxy=$!
for _ in $(seq 300); do if (: <"/dev/tcp/127.0.0.1/$web") 2>/dev/null; then break; fi; sleep 0.1; done

python3 - "$web" <<'PY'
import http.client, re, string, sys, time

digits = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
before = time.time()
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
c.request("GET", "/")
line = c.getresponse().getheader("Set-Cookie")
after = time.time()
print("Set-Cookie:", re.sub(r"\|\w{5}", "|<date>", line))
m = re.match(r"SRV=one\|(.{5})\|(.{5});", line)
n = [0, 0]
for i, text in enumerate(m.groups()):
    for letter in text:
        n[i] = n[i] * 64 + digits.index(letter)
print("as a number, times four, over the clock: %+.0f s and %+.0f s" % (4 * n[0] - after, 4 * n[1] - after))
if any(not before - 4 <= 4 * x <= after + 4 for x in n):
    sys.exit("This has changed.")
PY
