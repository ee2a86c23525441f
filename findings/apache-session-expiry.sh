#!/usr/bin/env bash
# One would bet: what Apache's mod_session knows of a session's end is a Unix time in
# seconds, as in every cookie, and is kept beside the values that the application gave it.
#
# Seen in Apache 2.4.71 of Debian 12, with SessionMaxAge and mod_session_cookie: "expiry" is
# a pair among the application's own, in microseconds, first in the cookie that is made and
# last in every later one. The application finds it in HTTP_SESSION with its values; and
# since it is part of the value, every answer sets the cookie anew, also where nothing has
# changed and nobody asked for a session.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${apache:-}" 2>/dev/null || :; wait 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
# Debian 12's packages, unpacked here.
apt-get -q download apache2-bin=2.4.71-1~deb12u1 libaprutil1=1.6.3-1+deb12u1 libapr1=1.7.2-3+deb12u1 >/dev/null 2>&1
for file in ./*.deb; do dpkg -x "$file" unpacked; done
LD_LIBRARY_PATH=$(echo "$dir"/unpacked/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
unpacked/usr/sbin/apache2 -v | head -1

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
modules=$dir/unpacked/usr/lib/apache2/modules
mkdir web
cat >web/app <<'CGI'
#!/bin/sh
# Stores the query as the session, and answers with the session.
echo "Content-Type: text/plain"
[ -z "$QUERY_STRING" ] || echo "X-Session: $QUERY_STRING"
echo
echo "$HTTP_SESSION"
CGI
chmod -R a+rX . && chmod 755 web/app
cat >apache.conf <<CFG
ServerRoot $dir
PidFile $dir/pid
ErrorLog $dir/errors
ServerName localhost
Listen 127.0.0.1:$port
User nobody
Group nogroup
LoadModule mpm_prefork_module $modules/mod_mpm_prefork.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule alias_module $modules/mod_alias.so
LoadModule cgi_module $modules/mod_cgi.so
LoadModule env_module $modules/mod_env.so
LoadModule session_module $modules/mod_session.so
LoadModule session_cookie_module $modules/mod_session_cookie.so
ScriptAlias /app $dir/web/app
Session On
SessionEnv On
SessionHeader X-Session
SessionMaxAge 600
SessionCookieName sid path=/
CFG
unpacked/usr/sbin/apache2 -X -f "$dir/apache.conf" &
apache=$!
for _ in $(seq 300); do if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi; sleep 0.1; done

python3 - "$port" <<'PY'
import http.client, re, sys, time

def ask(path, cookie=None):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    c.request("GET", path, headers={"Cookie": cookie} if cookie else {})
    r = c.getresponse()
    body = r.read().decode().strip()
    return (r.getheader("Set-Cookie") or "").split(";")[0], body

def shown(text):
    return re.sub(r"\d{16}", "<16 digits>", text)

made, _ = ask("/app?user=alice")
again, seen = ask("/app", made)
nobody, _ = ask("/app")
print("made:           ", shown(made))
print("one request on: ", shown(again))
print("the application:", shown(seen))
print("without a cookie, nothing stored:", shown(nobody))
end = int(re.search(r"expiry=(\d+)", made)[1])
ok = (abs(end / 1e6 - (time.time() + 600)) < 120
      and re.fullmatch(r"sid=expiry=\d{16}&user=alice", made)
      and re.fullmatch(r"sid=user=alice&expiry=\d{16}", again)
      and "expiry=" in seen and re.fullmatch(r"sid=expiry=\d{16}", nobody))
if not ok:
    sys.exit("This has changed.")
PY
