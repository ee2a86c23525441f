#!/usr/bin/env bash
# One would bet: nginx's ngx_http_userid_module sets a cookie of 16 bytes in base64, and
# its variables $uid_set and $uid_got, for the log, are the same 16 bytes in hexadecimal:
# who looks for a visitor's cookie in the log decodes the one and encodes the other.
#
# Seen in nginx 1.22.1 on little-endian machines: the log has the cookie as four numbers of
# 32 bits, so that within each group of four bytes the order is the reverse of that in the
# cookie. 7F000001… in the cookie is 0100007F… in the log.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${nginx:-}" 2>/dev/null || :; wait 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -q download nginx=1.22.1-9+deb12u11 >/dev/null 2>&1 # of Debian 12
dpkg -x nginx_*.deb unpacked
unpacked/usr/sbin/nginx -e stderr -v
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >nginx.conf <<CFG
daemon off; master_process off; pid $dir/pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $dir/b; fastcgi_temp_path $dir/f; uwsgi_temp_path $dir/u; scgi_temp_path $dir/s; proxy_temp_path $dir/p;
    server { listen 127.0.0.1:$port; userid on; userid_name uid; location / { return 200 "\$uid_set|\$uid_got"; } }
}
CFG
unpacked/usr/sbin/nginx -p "$dir" -e stderr -c "$dir/nginx.conf" >nginx.log 2>&1 &
nginx=$!
for _ in $(seq 300); do if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi; sleep 0.1; done

python3 - "$port" <<'PY'
import base64, http.client, struct, sys

def ask(cookie=None):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    c.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
    r = c.getresponse()
    made, got = r.read().decode().split("|")
    return (r.getheader("Set-Cookie") or "").split(";")[0], made, got

pair, made, _ = ask()
_, _, got = ask(pair)
raw = base64.b64decode(pair[len("uid="):])
as_bytes = "uid=" + raw.hex().upper()
as_numbers = "uid=" + "".join("%08X" % n for n in struct.unpack("=4I", raw))
print("cookie  ", pair)
print("bytes   ", as_bytes)
print("$uid_set", made)
print("$uid_got", got)
if sys.byteorder == "big":
    sys.exit("a big-endian machine: nothing is shown here")
if not (made == got == as_numbers != as_bytes):
    sys.exit("This has changed.")
PY
