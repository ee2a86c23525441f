"""Writes vectors of Django's sessions, by the Django that Python finds.

	/usr/bin/python3 make_django.py > django-3.2.json

make.sh says how the newer Django is had. Time stands still, so that a second
run gives the same bytes, but for the CSRF tokens.
"""

import base64
import json
import sys
import time

import django
from django.conf import settings

NOW = 1764547200
time.time = lambda: NOW

SECRET = "new-secret-of-the-vectors-0123456789"
OLD = "old-secret-of-the-vectors-0123456789"
PASSWORD = "pbkdf2_sha256$260000$c2FsdA$aGFzaCBvZiBhIHBhc3N3b3Jk"

settings.configure(
    SECRET_KEY=SECRET,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends import cached_db, db, signed_cookies  # noqa: E402
from django.middleware import csrf  # noqa: E402


def login():
    user = User(pk=42, password=PASSWORD)
    return {
        "_auth_user_id": str(user.pk),
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": user.get_session_auth_hash(),
    }


EVERY = {
    "text": "Grüße, 世界 \U0001f9e5",
    "quotes": "\"\\/\b\f\n\r\t\x00\x7f<>&",
    "surrogate": "\ud800",
    "empty": "",
    "true": True,
    "false": False,
    "none": None,
    "zero": 0,
    "int": -42,
    "big": 2**80,
    "float": 1.5,
    "tiny": 5e-324,
    "huge": 1.7976931348623157e308,
    "list": [1, [2, [3, []]], {}],
    "tuple": (1, "two"),
    "dict": {"a": {"b": [None]}, "": 1},
}


def contents():
    yield "login", login()
    yield "short", {"a": 1}
    yield "empty", {}
    yield "every type", {**login(), **EVERY}
    yield "compressed", {**login(), "long": "x" * 2000}
    yield "expiry", {**login(), "_session_expiry": 3600}
    yield "until the browser closes", {**login(), "_session_expiry": 0}


def cookie(values):
    store = signed_cookies.SessionStore()
    store.update(values)
    store.save()
    return store.session_key


def pickled(values):
    try:
        from django.core.cache.backends.redis import RedisSerializer

        return RedisSerializer().dumps(values)
    except ImportError:  # before Django 4.0: django-redis
        from django_redis.serializers.pickle import PickleSerializer

        return PickleSerializer({}).dumps(values)


def vectors():
    for secret, fallbacks in ((SECRET, []), (OLD, [])):
        settings.SECRET_KEY = secret
        for name, values in contents():
            yield {"name": name, "engine": "signed_cookies", "secret": secret, "data": cookie(values)}, values
            yield {"name": name, "engine": "db", "secret": secret, "data": db.SessionStore().encode(values)}, values
            yield {"name": name, "engine": "cached_db", "secret": secret, "data": cached_db.SessionStore().encode(values)}, values
    settings.SECRET_KEY = SECRET
    for name, values in contents():
        data = base64.b64encode(pickled(values)).decode()
        yield {"name": name, "engine": "cache", "secret": SECRET, "data": data}, values
    odd = {"nan": float("nan"), "up": float("inf"), "down": float("-inf"), "fine": 1}
    yield {"name": "numbers that JSON does not have", "engine": "signed_cookies", "secret": SECRET, "data": cookie(odd)}, None
    yield {"name": "pickle", "engine": "signed_cookies", "secret": SECRET, "data": by_pickle()}, None
    if hasattr(settings, "DEFAULT_HASHING_ALGORITHM"):
        settings.DEFAULT_HASHING_ALGORITHM = "sha1"
        yield {"name": "SHA-1", "engine": "signed_cookies", "secret": SECRET, "data": cookie({"a": 1})}, None
        yield {"name": "before 3.1", "engine": "db", "secret": SECRET, "data": db.SessionStore().encode({"a": 1})}, None


def by_pickle():
    from django.contrib.sessions.serializers import PickleSerializer

    store = signed_cookies.SessionStore()
    store.serializer = PickleSerializer
    store["a"] = 1
    store.save()
    return store.session_key


def tokens():
    """CSRF cookies with a token of a form that each accepts."""
    make = getattr(csrf, "_add_new_csrf_cookie", None)
    for _ in range(4):
        if make:  # 4.1: the cookie is the secret itself

            class Request:
                META = {}

            secret = make(Request())
            yield {"cookie": secret, "form": csrf._mask_cipher_secret(secret)}
        else:
            secret = csrf._get_new_csrf_string()
            yield {"cookie": csrf._mask_cipher_secret(secret), "form": csrf._mask_cipher_secret(secret)}


def main():
    made = []
    for vector, values in vectors():
        if values is not None:
            vector["values"] = values
        made.append(vector)
    json.dump(
        {
            "by": "Django " + django.get_version(),
            "at": NOW,
            "password": PASSWORD,
            "vectors": made,
            "csrf": list(tokens()),
        },
        sys.stdout,
        indent=1,
    )
    print()


main()
