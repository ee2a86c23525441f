"""A browser for the walk-through: http.cookiejar behind JSON lines.

Usage: browser.py URL. Reads one request a line, writes one answer a line. The
certificate that the server shows first is the one that is trusted afterwards.
"""

import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

base = sys.argv[1]
jar = CookieJar()
handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar)]
url = urllib.parse.urlsplit(base)
if url.scheme == "https":
    pem = ssl.get_server_certificate((url.hostname, url.port))
    handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=pem)))
opener = urllib.request.build_opener(*handlers)


def send(call):
    data = call["form"].encode() if call["form"] or call["method"] == "POST" else None
    request = urllib.request.Request(base + call["path"], data=data, method=call["method"])
    try:
        answer = opener.open(request, timeout=60)
    except urllib.error.HTTPError as err:
        answer = err
    with answer:
        return {
            "status": answer.status,
            "body": answer.read().decode(),
            "set_cookies": answer.headers.get_all("Set-Cookie") or [],
        }


def cookies(call):
    return {c.name: c.value for c in jar}


def change(call):
    for c in jar:
        if c.name == call["name"]:
            c.value = call["value"]
    return True


for line in sys.stdin:
    call = json.loads(line)
    print(json.dumps({"send": send, "cookies": cookies, "change": change}[call["do"]](call)), flush=True)
