#!/usr/bin/env bash
# One would bet: a session whose JSON is UTF-8, as RFC 8259 wants JSON between
# systems to be, and whose signature is right, is read by Django as it was written.
#
# Seen in Django 3.2.25: its serializer decodes JSON as Latin-1. A session that is
# signed by Django's own signer over UTF-8 is taken without a complaint, and "Grüße"
# in it has become "GrÃ¼Ã\x9fe". The same JSON with \u escapes is read as meant. Nothing
# on the side that writes tells: Django itself writes ASCII only, where both are one.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# Debian 12's packages, unpacked here.
apt-get -q download python3-django=3:3.2.25-0+deb12u7 python3-asgiref=3.6.0-1 python3-sqlparse=0.4.2-1+deb12u1 python3-tz=2022.7.1-4 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" unpacked; done

cat >read.py <<'PY'
import json
import django
from django.conf import settings

settings.configure(SECRET_KEY="a-secret-of-this-script-only", INSTALLED_APPS=["django.contrib.sessions"])
django.setup()
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core import signing

SALT = "django.contrib.sessions.backends.signed_cookies"

class UTF8:
    def dumps(self, value):
        return json.dumps(value, ensure_ascii=False).encode()  # valid JSON, RFC 8259

class ASCII:
    def dumps(self, value):
        return json.dumps(value).encode()

def read(serializer):
    cookie = signing.dumps({"name": "Grüße"}, salt=SALT, serializer=serializer)
    return SessionStore(cookie)["name"]

print("Django", django.get_version())
utf8, ascii = read(UTF8), read(ASCII)
print("a session in UTF-8:", repr(utf8))
print("a session with escapes:", repr(ascii))
own = SessionStore()
own["name"] = "Grüße"
print("Django's own:", repr(SessionStore(own._get_session_key())["name"]))
assert ascii == "Grüße" and utf8 == "Grüße".encode().decode("latin-1"), "the behaviour is another now"
PY
PYTHONPATH=$dir/unpacked/usr/lib/python3/dist-packages PYTHONIOENCODING=utf-8 /usr/bin/python3 -W ignore read.py
