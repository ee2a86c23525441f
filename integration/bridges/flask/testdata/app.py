"""Flask applications with sessions: the cookie, and Flask-Session in Redis.

The first line of standard input is a JSON list of settings; each becomes a server
of its own. Standard output gets one line of JSON with their ports. The servers end
when standard input does.
"""

import datetime
import decimal
import hashlib
import json
import os
import sys
import threading
import uuid

import flask
import flask.sessions
import itsdangerous
import markupsafe
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log(self, *args):
        pass


EVERY = {
    "text": "Gr\u00fc\u00dfe, \u4e16\u754c \U0001f9e5",
    "quotes": "\"\\/\b\f\n\r\t\x00\x7f<>&",
    "empty": "",
    "true": True,
    "false": False,
    "none": None,
    "zero": 0,
    "big": 2**70,
    "float": -1.5e300,
    "list": [1, "two", [3.5, None]],
    "map": {"a": {"b": []}},
    "tuple": (1, ("x", b"\x00\xff")),
    "bytes": b"\x00\x01\xfe\xff",
    "markup": markupsafe.Markup("<b>bold</b>"),
    "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "date": datetime.datetime(2026, 11, 28, 16, 30, 12, tzinfo=datetime.timezone.utc),
    "tagged": {" t": [1, 2]},
    "tagged twice": {" di": {" b__": "x"}},
    "unknown tag": {" x": 1},
}


def application(settings):
    app = flask.Flask(__name__)
    salt = settings.pop("SALT", None)
    digest = settings.pop("DIGEST", None)
    derivation = settings.pop("DERIVATION", None)
    redis_url = settings.pop("REDIS", None)
    app.config.update(settings)
    if "LIFETIME" in settings:
        app.permanent_session_lifetime = datetime.timedelta(seconds=settings["LIFETIME"])

    class Interface(flask.sessions.SecureCookieSessionInterface):
        pass

    if salt:
        Interface.salt = salt
    if digest:
        Interface.digest_method = staticmethod(getattr(hashlib, digest))
    if derivation:
        Interface.key_derivation = derivation
    fallbacks = settings.get("FALLBACKS")
    if fallbacks:  # as Flask 3.1 has it: oldest first, the key that signs last
        def serializer(self, app):
            return itsdangerous.URLSafeTimedSerializer(
                fallbacks + [app.secret_key], salt=self.salt, serializer=self.serializer,
                signer_kwargs=dict(key_derivation=self.key_derivation, digest_method=self.digest_method))
        Interface.get_signing_serializer = serializer
    app.session_interface = Interface()
    if redis_url:
        import flask_session
        import redis
        app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis.from_url(redis_url), SESSION_PERMANENT=False)
        flask_session.Session(app)

    @app.post("/login")
    def login():
        flask.session.clear()
        flask.session.update(flask.request.get_json())
        return ""

    @app.post("/every")
    def every():
        flask.session.clear()
        flask.session.update(EVERY)
        flask.session["_user_id"] = "somebody"
        if redis_url:
            flask.session["decimal"] = decimal.Decimal("1.5")
        return ""

    @app.get("/show")
    def show():
        return flask.jsonify(dict(flask.session))

    @app.get("/types")
    def types():
        return flask.jsonify({k: repr(v) for k, v in flask.session.items()})

    @app.post("/logout")
    def logout():
        flask.session.clear()
        return ""

    if settings.get("FLASK_LOGIN"):
        import flask_login
        manager = flask_login.LoginManager(app)
        manager.session_protection = "strong"

        class User(flask_login.UserMixin):
            def __init__(self, id):
                self.id = id

        manager.user_loader(User)

        @app.post("/enter")
        def enter():
            flask_login.login_user(User(flask.request.get_json()["user"]))
            return ""

        @app.get("/me")
        def me():
            user = flask_login.current_user
            fresh = flask_login.login_fresh()
            return flask.jsonify({"user": user.get_id() if user.is_authenticated else "", "fresh": bool(fresh)})

        @app.post("/leave")
        def leave():
            flask_login.logout_user()
            return ""
    return app


def main():
    ports = []
    for settings in json.loads(sys.stdin.readline()):
        server = make_server("127.0.0.1", 0, application(settings), threaded=True, request_handler=Quiet)
        ports.append(server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"Version": flask.__version__, "Ports": ports}), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
