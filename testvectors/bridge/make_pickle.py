"""Writes vectors of Python's pickle module: dicts as sessions have them.

	/usr/bin/python3 make_pickle.py > pickle.json
"""

import base64
import collections
import datetime as dt
import decimal
import json
import pickle
import sys
import uuid

shared = [1, 2]
loop = []
loop.append(loop)
bomb = ["x" * 50]
for _ in range(20):
    bomb = [bomb, bomb]
deep = []
for _ in range(100):
    deep = [deep]

KEPT = {
    "empty": ({}, {}),
    "text": ({"a": "Grüße \U0001f9e5\n\"\\", "": "", "long": "x" * 300}, None),
    "surrogate": ({"a": "x\ud800y"}, None),
    "constants": ({"t": True, "f": False, "n": None}, None),
    "integers": ({str(n): n for i in (0, 7, 8, 15, 16, 31, 32, 63, 64, 100) for n in (2**i, 2**i - 1, -(2**i), -(2**i) - 1)}, None),
    "floats": ({"a": 1.5, "b": -0.0, "c": 5e-324, "d": 1e308, "e": 3.0}, None),
    "lists": ({"a": [1, [2, [3, []]], {}], "b": (), "c": (1,), "d": (1, 2), "e": (1, 2, 3), "f": (1, 2, 3, 4)}, None),
    "dicts": ({"a": {"b": {"c": None}}, "keys": {1: "a", True: "b", None: "c", 2.5: "d"}}, {"a": {"b": {"c": None}}, "keys": {"1": "b", "null": "c", "2.5": "d"}}),
    "shared": ({"a": shared, "b": shared, "c": [shared, shared]}, None),
    "bytes": ({"a": b"\x00\xff"}, {"a": "AP8="}),
    "bytearray": ({"b": bytearray(b"abc")}, {"b": "YWJj"}),
    "sets": ({"a": {1}, "b": frozenset(), "c": set()}, {"a": [1], "b": [], "c": []}),
    "dates": (
        {
            "naive": dt.datetime(2026, 1, 2, 3, 4, 5, 6),
            "utc": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
            "zone": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
            "fold": dt.datetime(2026, 10, 25, 2, 30, fold=1),
            "date": dt.date(1, 12, 31),
            "time": dt.time(23, 59, 59),
            "delta": dt.timedelta(days=1, seconds=2, microseconds=500000),
        },
        {
            "naive": "2026-01-02T03:04:05.000006",
            "utc": "2026-01-02T03:04:05+00:00",
            "zone": "2026-01-02T03:04:05-03:30",
            "fold": "2026-10-25T02:30:00",
            "date": "0001-12-31",
            "time": "23:59:59",
            "delta": 86402.5,
        },
    ),
}

REFUSED = {
    "Decimal": ({"a": decimal.Decimal("1.5")}, "class decimal.Decimal"),
    "UUID": ({"a": uuid.UUID(int=1)}, "the class "),
    "OrderedDict": ({"a": collections.OrderedDict(b=1)}, "class collections.OrderedDict"),
    "complex": ({"a": 1j}, "class builtins.complex"),
    "function": ({"a": len}, "class builtins.len"),
    "loop": ({"a": loop}, "values deeper"),
    "deep": ({"a": deep}, "values deeper"),
    "bomb": ({"a": bomb}, "more than"),
    "nan": ({"a": float("nan")}, "NaN"),
    "infinity": ({"a": float("-inf")}, "NaN"),
    "two keys": ({"a": {1: 1, "1": 2}}, "two keys"),
    "tuple as a key": ({"a": {(1, 2): 3}}, "a key that is no text"),
    "number as a key": ({1: 2}, "a key that is no text"),
    "list": ([1], "no dict"),
}


SINCE = {"bytes": 3, "dates": 3, "sets": 4, "bytearray": 5}


def main():
    out = []
    for protocol in range(1, pickle.HIGHEST_PROTOCOL + 1):
        for name, (value, want) in KEPT.items():
            if protocol < SINCE.get(name, 0):
                continue  # earlier by names of builtins and _codecs
            data = base64.b64encode(pickle.dumps(value, protocol)).decode()
            out.append({"name": name, "protocol": protocol, "data": data, "values": value if want is None else want})
        for name, (value, refused) in REFUSED.items():
            data = base64.b64encode(pickle.dumps(value, protocol)).decode()
            if protocol < 3:
                refused = refused.replace("builtins", "__builtin__")
            out.append({"name": name, "protocol": protocol, "data": data, "refused": refused})
    json.dump({"by": "Python %d.%d" % sys.version_info[:2], "vectors": out}, sys.stdout, indent=1)
    print()


main()
