"""The old application: Flask, as it was before anybody thought of moving.

Its secret is FLASK_SECRET_KEY. It prints its port and ends when standard input does.
"""

import os
import sys
import threading

from flask import Flask, request, session
from werkzeug.serving import make_server

app = Flask(__name__)
app.secret_key = os.environ["FLASK_SECRET_KEY"]


@app.get("/")
def home():
    return f"Flask: user {session.get('_user_id')}, cart {session.get('cart', [])}\n"


@app.post("/login")
def login():
    session["_user_id"] = request.form["user"]
    session["cart"] = ["tea", "jam"]
    return home()


@app.post("/logout")
def logout():
    session.clear()
    return home()


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ.get("FLASK_PORT", "0")), app, threaded=True)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
