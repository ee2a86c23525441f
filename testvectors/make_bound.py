"""Writes vectors of what goes with a bound session, R8 to R10 of docs/spec/record.md,
by the standard library alone.

	python3 make_bound.py > bound-sessions.json
"""

import base64
import hashlib
import hmac
import json
import struct
import sys

FIRST, SECOND = "i4TVGxqVXbVxVh0HfOqcV0Jzg1b2mDqN4n5T9nYzG2k", "q9mH2Zr8uXc1LwT5eKb7NfJ3sYp6VdG0aQxR4hMiO-U"
SID, NOW, LIFE = "__Host-Http-sid", 1800000000, 600
BINDING, OTHER = bytes(range(10)), bytes(range(10, 20))
SESSION, STRANGER = bytes(range(32)), bytes(range(32, 64))
# The base point of P-256 (SP 800-186), uncompressed, and 256 bytes that stand for a modulus.
POINT = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
MODULUS = b"\xc1" + bytes(n * 7 % 256 for n in range(254)) + b"\x01"


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def lp(*parts):
    return b"".join(struct.pack(">I", len(p)) + p for p in (x.encode() for x in parts))


def keys(secret, purpose, application):
    """Key id and key of C2 and C3; one block of HKDF-Expand is enough for both."""
    prk = mac(b"coatcheck/v1", secret.encode())
    return mac(prk, b"kid\x01")[:4], mac(prk, b"key:" + lp(purpose, application) + b"\x01")


def tag(purpose, subject, body, size, secret=FIRST, name=SID, application="", version=1):
    kid, key = keys(secret, "%s:%s" % (purpose, name), application)
    head = bytes([version]) + kid + body
    return head + mac(key, subject + head)[:size]


def cookie(number=BINDING, issued=NOW, **kw):
    return tag("dbsc-cookie", b"", number + struct.pack(">Q", issued)[3:], 16, **kw)


def challenge(kind=b"r", of=SESSION, issued=NOW * 10**6, **kw):
    return tag("dbsc-challenge", kind + of, struct.pack(">Q", issued), 20, **kw)


def entry(algorithm=1, times=(NOW * 10**6 + 1, 0, NOW * 10**6 + 1, 0), key=POINT, version=1):
    return bytes([version, algorithm]) + BINDING + struct.pack(">4Q", *times) + key


def flip(b, at):
    return b[:at] + bytes([b[at] ^ 1]) + b[at + 1:]


cases = []


def case(id, says, rule, **fields):
    cases.append(dict({"id": id, "says": says, "rules": [rule]}, **fields))


def good_entry(id, says, algorithm=1, times=(NOW * 10**6 + 1, 0, NOW * 10**6 + 1, 0), key=POINT):
    since, proven, refreshed, used = times
    case(id, says, "R8", entry='"%s"' % b64(entry(algorithm, times, key)), binding=BINDING.hex(), algorithm={1: "ES256", 2: "RS256"}[algorithm],
         since=since, proven=proven, refreshed=refreshed, used=used, key=key.hex())


def bad_entry(id, says, raw):
    case(id, says, "R8", entry=raw, error="unreadable")


good_entry("entry-registered", "registered; the bound cookie was not seen yet")
good_entry("entry-refreshed", "all four times", times=(NOW * 10**6, NOW * 10**6 + 123456, NOW * 10**6 + 480 * 10**6, NOW * 10**6 + 999999))
good_entry("entry-rs256", "a modulus of 2,048 bits", algorithm=2, key=MODULUS)
good_entry("entry-rs256-most", "a modulus of 4,096 bits", algorithm=2, key=MODULUS + MODULUS)
bad_entry("entry-version", "another version", '"%s"' % b64(entry(version=2)))
bad_entry("entry-algorithm", "algorithm 3", '"%s"' % b64(entry(algorithm=3)))
bad_entry("entry-no-key", "no key", '"%s"' % b64(entry(key=b"")))
bad_entry("entry-too-long", "a key of 513 bytes", '"%s"' % b64(entry(algorithm=2, key=MODULUS + MODULUS + b"\x01")))
bad_entry("entry-short", "ends within the times", '"%s"' % b64(entry()[:40]))
bad_entry("entry-padding", "padding", '"%s="' % b64(entry()))
bad_entry("entry-alphabet", "the other alphabet", '"/%s"' % b64(entry())[1:])
bad_entry("entry-not-text", "not a string", "17")


def cookie_case(id, says, value, now=NOW, secrets=(FIRST,), name=SID, application="", error=None, binding=BINDING):
    result = {"error": error} if error else {"issued": NOW}
    text = value if isinstance(value, str) else b64(value)
    case(id, says, "R9", secrets=list(secrets), application=application, name=name, cookie=text,
         binding=binding.hex(), life=LIFE, now=now, **result)


cookie_case("cookie", "a bound cookie", cookie())
cookie_case("cookie-last", "its last second", cookie(), now=NOW + LIFE - 1)
cookie_case("cookie-over", "its end", cookie(), now=NOW + LIFE, error="expired")
cookie_case("cookie-ahead", "issued by a clock 60 seconds ahead", cookie(), now=NOW - 60)
cookie_case("cookie-future", "issued by a clock 61 seconds ahead", cookie(), now=NOW - 61, error="expired")
cookie_case("cookie-rotated", "of the second secret", cookie(secret=SECOND), secrets=(FIRST, SECOND))
cookie_case("cookie-application", "of an application", cookie(application="shop"), application="shop")
cookie_case("cookie-other-application", "of another application", cookie(application="shop"), error="forged")
cookie_case("cookie-name", "beside a cookie of another name", cookie(name="__Host-Http-shop"), name="__Host-Http-shop")
cookie_case("cookie-other-name", "of another cookie's session", cookie(name="__Host-Http-shop"), error="forged")
cookie_case("cookie-other-binding", "of another binding", cookie(OTHER), error="other")
cookie_case("cookie-unknown-secret", "of a secret that is not configured", cookie(secret=SECOND), error="forged")
for at, what in (0, "version"), (1, "key-id"), (5, "number"), (19, "time"), (35, "mac"):
    cookie_case("cookie-flip-" + what, "a bit of the %s is another" % what, flip(cookie(), at), error="forged")
cookie_case("cookie-version", "another version with its own MAC", cookie(version=2), error="forged")
cookie_case("cookie-short", "47 characters", b64(cookie())[:-1], error="forged")
cookie_case("cookie-long", "49 characters", b64(cookie()) + "A", error="forged")
cookie_case("cookie-challenge", "a challenge in its place", challenge(), error="forged")


def challenge_case(id, says, value, kind="registration", of=SESSION, now=NOW * 10**6, secrets=(FIRST,), name=SID, error=None, **spent):
    result = {"error": error} if error else {}
    text = value if isinstance(value, str) else b64(value)
    case(id, says, "R10", secrets=list(secrets), application="", name=name, challenge=text,
         **{"for": kind, "of": of.hex(), "life": LIFE, "now": now}, **spent, **result)


S, M = 10**6, NOW * 10**6
challenge_case("registration", "a registration", challenge())
challenge_case("registration-last", "the last microsecond of 5 minutes", challenge(), now=M + 300 * S - 1)
challenge_case("registration-over", "after 5 minutes", challenge(), now=M + 300 * S, error="stale")
challenge_case("registration-ahead", "by a clock 60 seconds ahead", challenge(), now=M - 60 * S)
challenge_case("registration-future", "by a clock further ahead", challenge(), now=M - 60 * S - 1, error="stale")
challenge_case("registration-other", "of another session", challenge(of=STRANGER), error="forged")
challenge_case("registration-by-refresh", "one for a refresh, with the session's id", challenge(b"f"), error="forged")
challenge_case("registration-rotated", "of the second secret", challenge(secret=SECOND), secrets=(FIRST, SECOND))
challenge_case("registration-other-name", "of another cookie's session", challenge(name="__Host-Http-shop"), error="forged")
challenge_case("registration-flip", "a bit of the time is another", flip(challenge(), 12), error="forged")
challenge_case("registration-short", "43 characters", b64(challenge())[:-1], error="forged")
challenge_case("registration-version", "another version with its own MAC", challenge(version=2), error="forged")
F = dict(kind="refresh", of=BINDING)
fresh = challenge(b"f", BINDING)
challenge_case("refresh", "a refresh", fresh, used=0, refreshed=M, **F)
challenge_case("refresh-last", "the last microsecond of a life and 5 minutes", fresh, used=M - 1, refreshed=M, now=M + (LIFE + 300) * S - 1, **F)
challenge_case("refresh-over", "after a life and 5 minutes", fresh, used=M - 1, refreshed=M, now=M + (LIFE + 300) * S, error="stale", **F)
challenge_case("refresh-again", "a second tab, 60 seconds after the refresh", fresh, used=M, refreshed=M + 5 * S, now=M + 65 * S, **F)
challenge_case("refresh-replayed", "a microsecond later", fresh, used=M, refreshed=M + 5 * S, now=M + 65 * S + 1, error="replayed", **F)
challenge_case("refresh-older", "older than the newest that was used", fresh, used=M + 1, refreshed=M + 5 * S, now=M + 70 * S, error="replayed", **F)
challenge_case("refresh-newer", "newer than the newest that was used", fresh, used=M - 1, refreshed=M, now=M + 500 * S, **F)
challenge_case("refresh-other", "of another binding", challenge(b"f", OTHER), used=0, refreshed=M, error="forged", **F)
challenge_case("refresh-by-registration", "one for a registration", challenge(b"r", BINDING), used=0, refreshed=M, error="forged", **F)

json.dump({"spec": "docs/spec/record.md", "cases": cases}, sys.stdout, indent=2)
print()
