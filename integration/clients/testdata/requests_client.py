"""Python's requests. See ../doc.go for what is read and written."""

import base64
import sys

import requests

sessions = {}
print(requests.__version__, flush=True)
for line in sys.stdin:
    who, method, url, form = line.rstrip("\n").split("\t")
    session = sessions.setdefault(who, requests.Session())
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
    try:
        r = session.request(method, url, data=form or None, headers=headers, verify=sys.argv[1])
        status, body = r.status_code, r.content
    except requests.RequestException as e:
        status, body = 0, str(e).encode()
    print(status, base64.b64encode(body).decode(), sep="\t", flush=True)
