"""A Django application with logins and sessions, several times over.

The first line of standard input is a JSON list of settings; each becomes a server
of its own. Standard output gets one line of JSON with their ports. The servers
end when standard input does.
"""

import json
import os
import socketserver
import sys
import time
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.conf import settings


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def configure(chosen):
    if "TIME_ZONE" in chosen:  # which settings.configure leaves to its caller
        os.environ["TZ"] = chosen["TIME_ZONE"]
        time.tzset()
    settings.configure(
        DEBUG=False,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        USE_TZ=chosen.pop("USE_TZ", True),
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        LOGGING_CONFIG=None,
        **chosen,
    )
    django.setup()


def every_type():
    return {
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


def answer(request, extra=None):
    from django.http import JsonResponse

    user = request.user
    seen = {
        "user": str(user.pk) if user.is_authenticated else "",
        "key": request.session.session_key or "",
        "values": dict(request.session.items()),
    }
    seen.update(extra or {})
    return JsonResponse(seen)


def who(request):
    return answer(request)


def login(request):
    from django.contrib import auth

    user = auth.authenticate(username=request.POST["name"], password=request.POST["password"])
    auth.login(request, user)
    for name, value in json.loads(request.POST.get("values", "{}")).items():
        request.session[name] = value
    if "expiry" in request.POST:
        request.session.set_expiry(int(request.POST["expiry"]))
    return answer(request)


def put(request):
    for name, value in json.loads(request.POST["values"]).items():
        request.session[name] = value
    return answer(request)


def types(request):
    request.session.update(every_type())
    return answer(request)


def odd(request):
    request.session["number"] = {"nan": float("nan"), "up": float("inf"), "down": float("-inf")}[request.GET["n"]]
    request.session["other"] = 7
    return answer(request)


def logout(request):
    from django.contrib import auth

    auth.logout(request)
    return answer(request)


def password(request):
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.get(username=request.POST["name"])
    user.set_password(request.POST["password"])
    user.save()
    return answer(request, {"hash": user.password})


def deactivate(request):
    from django.contrib.auth import get_user_model

    get_user_model().objects.filter(username=request.POST["name"]).update(is_active=False)
    return answer(request)


def register(request):
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.create_user(request.POST["name"], password=request.POST["password"])
    return answer(request, {"pk": str(user.pk), "hash": user.password})


def token(request):
    from django.middleware.csrf import get_token

    return answer(request, {"csrf": get_token(request)})


def guarded(request):
    return answer(request, {"guarded": True})


def routes():
    from django.urls import path
    from django.views.decorators.csrf import csrf_exempt

    open_views = [who, login, put, types, odd, logout, password, deactivate, register, token]
    return [path(v.__name__, csrf_exempt(v)) for v in open_views] + [path("guarded", guarded)]


class Lazy(list):
    """urlpatterns, once the settings are there."""

    def __iter__(self):
        if not len(self):
            self.extend(routes())
        return super().__iter__()

    def __reversed__(self):
        list(self)
        return super().__reversed__()


urlpatterns = Lazy()


def serve(server, chosen):
    sys.modules[chosen.pop("module", "app")] = sys.modules[__name__]
    migrate = chosen.pop("migrate", True)
    configure(chosen)
    if migrate:
        from django.core.management import call_command

        call_command("migrate", verbosity=0, run_syncdb=True)
    from django.core.wsgi import get_wsgi_application

    server.set_app(get_wsgi_application())
    server.serve_forever()


def main():
    wanted = json.loads(sys.stdin.readline())
    ports = []
    for chosen in wanted:
        server = Server(("127.0.0.1", 0), Quiet)
        ports.append(server.server_port)
        if os.fork() == 0:
            try:
                serve(server, chosen)
            finally:
                os._exit(1)
        server.socket.close()
    print(json.dumps({"version": django.get_version(), "ports": ports}), flush=True)
    sys.stdin.read()
    os.killpg(0, 9)


if __name__ == "__main__":
    os.setpgid(0, 0)
    main()
