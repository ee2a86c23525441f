"""Python's httpx. See ../doc.go for what is read and written."""

import base64
import sys

import httpx

clients = {}
print(httpx.__version__, flush=True)
for line in sys.stdin:
    who, method, url, form = line.rstrip("\n").split("\t")
    if who not in clients:
        clients[who] = httpx.Client(verify=sys.argv[1], timeout=60)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
    try:
        r = clients[who].request(method, url, content=form or None, headers=headers)
        status, body = r.status_code, r.content
    except httpx.HTTPError as e:
        status, body = 0, str(e).encode()
    print(status, base64.b64encode(body).decode(), sep="\t", flush=True)
