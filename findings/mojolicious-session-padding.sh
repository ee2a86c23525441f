#!/usr/bin/env bash
# One would bet: the session of Mojolicious is what its documentation says, JSON in base64
# with a MAC behind it, so that whoever has the secret reads it by any JSON decoder, and a
# session with one short value is a cookie of some 150 bytes.
#
# Seen in Mojolicious 9.31 of Debian 12: behind the JSON come letters Z until there are 1025
# bytes, which is no JSON; the padding of base64 is written with - in place of =. The cookie
# of a session with one short value has 1,500 bytes, in every request.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -q download libmojolicious-perl=9.31+dfsg-1 >/dev/null 2>&1 # of Debian 12
dpkg -x ./*.deb unpacked
find unpacked -type l -delete # styles and scripts of other packages, for its error pages
export PERL5LIB="$dir/unpacked/usr/share/perl5"
cat >app.pl <<'PERL'
use Mojolicious::Lite -signatures;
app->secrets(['q8Zr-4kT9vXw2LmN7pBs5cHd1fGj6yRa']);
app->log->level('fatal');
get '/' => sub ($c) { $c->session(user => 'alice'); $c->render(text => '') };
use Test::Mojo;
print "Mojolicious ", Mojolicious->VERSION, "\n";
print Test::Mojo->new->ua->get('/')->res->headers->set_cookie, "\n";
PERL
perl app.pl >out
head -1 out
python3 - "$(tail -1 out)" <<'PY'
import base64, json, re, sys

line = sys.argv[1]
value = line.split(";")[0].split("=", 1)[1]
payload, mac = value.rsplit("--", 1)
raw = base64.b64decode(payload.replace("-", "="))
text = raw.rstrip(b"Z")
print("Set-Cookie: %d bytes" % len(line))
print("payload: %s and %d times Z, %d bytes; the MAC has %d letters" %
      (re.sub(r"\d{10}", "<end>", text.decode()), len(raw) - len(text), len(raw), len(mac)))
json.loads(text)
try:
    json.loads(raw)
    sys.exit("This has changed.")
except json.JSONDecodeError as e:
    print("json.loads of the payload:", str(e).split(":")[0])
if len(raw) != 1025 or not 1400 < len(line) < 1700 or "=" in value:
    sys.exit("This has changed.")
PY
