"""Writes vectors of the records that are no sessions, R11 to R13 of docs/spec/record.md,
by the standard library alone.

	python3 make_adoption.py > adoption-records.json
"""

import base64
import hashlib
import json
import struct
import sys

S = 10**6
NOW = 946684800 * S  # the first second of 2000
IDENTITY, USER, COMMON = "flask:1", "bob", "flask:user\0bob"


def digest(*parts):
    return hashlib.sha256(b"\0".join(p.encode() for p in parts)).digest()


def handle(id):
    return base64.urlsafe_b64encode(hashlib.sha256(b"coatcheck/handle/v1\0" + id).digest()[:9]).decode()


def guard(state, since=NOW, login=b"\0" * 32, version=2, more=b""):
    return bytes([version, state]) + bytes(range(32)) + bytes(range(16)) + login + struct.pack(">q", since) + more


def ends(*times, version=1):
    return bytes([version]) + struct.pack(">4q", *times)


KINDS = {
    "R11": ("not-before", digest("coatcheck/not-before/v1", USER)),
    "R12": ("adopted", digest("coatcheck/adopted/v2", IDENTITY)),
    "R13": ("writings", digest("coatcheck/adopted-writings/v1", COMMON)),
}
cases = []


def case(id, says, rule, data, opens, record=None, **adoption):
    name, at = record or KINDS[rule]
    adoption = {"identity": IDENTITY, "login": "", "as_of": 0, "auth_time": 0, "writings": "", "whole": False, **adoption}
    cases.append({"id": id, "says": says, "rules": [rule], "record": at.hex(), "user": "\1%s:%s" % (name, handle(at)), "data": data.hex(),
                  "now": NOW, "adoption": {**adoption, "user": USER}, "opens": opens})


def before(t):
    return struct.pack(">q", t)


case("revoked", "at the time of the login", "R11", before(NOW - S), False, auth_time=NOW - S)
case("revoked-before", "a microsecond before the login", "R11", before(NOW - S - 1), True, auth_time=NOW - S)
case("revoked-unknown", "the login says no time", "R11", before(NOW - 10**9 * S // 2), False)
EVERYBODY = ("not-before", digest("coatcheck/not-before/v1", "\1everybody"))
case("revoked-everybody", "everybody's sessions", "R11", before(NOW - S), False, auth_time=NOW - S, record=EVERYBODY)
case("revoked-short", "7 bytes: nobody knows", "R11", before(NOW)[1:], False, auth_time=NOW)

LOGIN = digest("coatcheck/adopted/v2", IDENTITY, "first")
case("guard-gone", "of a session that is gone", "R12", guard(0, NOW - 60 * S), False)
case("guard-never", "never to be adopted", "R12", guard(1), False)
case("guard-there", "ended there at the time of writing", "R12", guard(2, NOW - S), False, as_of=NOW - S)
case("guard-there-before", "ended there a microsecond before it was written", "R12", guard(2, NOW - S - 1), True, as_of=NOW - S)
case("guard-there-unknown", "ended there, and nobody knows when it was written", "R12", guard(2), True)
case("guard-login", "the same login", "R12", guard(1, NOW - S, LOGIN), False, login="first", as_of=NOW)
case("guard-next-login", "the next login", "R12", guard(1, NOW - S, LOGIN), True, login="second", as_of=NOW)
case("guard-version", "another version", "R12", guard(2, NOW - S, version=3), False, as_of=NOW)
case("guard-long", "a byte more", "R12", guard(2, NOW - S, more=b"\0"), False, as_of=NOW)
case("guard-other", "of another identity", "R12", guard(1), True, identity="flask:2")


def writing(id, says, times, opens, **adoption):
    case(id, says, "R13", ends(*times), opens, **{"writings": COMMON, **adoption})


T, APART = NOW - 100 * S, 30 * S
writing("ended", "written at the time", (T, 0, 0, 0), False, as_of=T + APART)
writing("ended-before", "written a microsecond later than clocks may differ", (T, 0, 0, 0), True, as_of=T + APART + 1)
writing("ended-unknown", "says no time", (T, 0, 0, 0), False)
writing("ended-login", "written later, by a login of before", (T, 0, 0, 0), False, as_of=T + 60 * S, auth_time=T)
writing("ended-next-login", "by a later login", (T, 0, 0, 0), True, as_of=T - S, auth_time=T + 1)
writing("ended-to-come", "written in a minute", (T, 0, 0, 0), False, as_of=NOW + 60 * S)
writing("ended-whole", "one that has one identity", (T, 0, 0, 0), True, as_of=T, whole=True)
writing("ended-all", "that too", (T, T, 0, 0), False, as_of=T, whole=True)
writing("ended-there", "ended there at the time of writing", (0, 0, T, 0), False, as_of=T)
writing("ended-there-unknown", "says no time, and the end was there", (0, 0, T, T), True)
writing("ended-there-all", "one that has one identity, ended there", (0, 0, T, T), False, as_of=T, whole=True)
writing("ended-nowhere", "no end is known", (0, 0, 0, 0), True)
writing("ended-other", "of another user", (T, T, T, T), True, as_of=T, writings="flask:user\0eve")
case("ended-version", "another version", "R13", ends(0, 0, 0, 0, version=2), False, writings=COMMON, as_of=NOW)
case("ended-short", "a byte less", "R13", ends(0, 0, 0, 0)[:-1], False, writings=COMMON, as_of=NOW)

json.dump({"spec": "docs/spec/record.md", "cases": cases}, sys.stdout, indent=2)
print()
