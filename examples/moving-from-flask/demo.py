"""A browser at both applications: what it sees, and whether that is right."""

import http.cookiejar
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

site = sys.argv[1]
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))


def visit(path, want=None, **form):
    method = "GET" if want else "POST"
    data = urllib.parse.urlencode(form).encode() if method == "POST" else None
    page = browser.open(urllib.request.Request(site + path, data, method=method), timeout=30).read().decode()
    print(f"{method} {path:12} {page}", end="")
    if want and not page.startswith(want):
        sys.exit(f"want {want}")


for attempt in range(60):  # until it serves
    try:
        browser.open(site + "/", timeout=30)
        break
    except urllib.error.URLError:
        time.sleep(0.5)

print("# a login at Flask is one at Go, with the cart")
visit("/old/login", user="bob")
visit("/", 'Go: bob, cart ["tea" "jam"]')
print("# a logout at Go is one at Flask")
visit("/logout")
visit("/", "Go: nobody")
visit("/old/", "Flask: nobody")
print("# a login at Go is one at Flask")
visit("/login", user="eve")
visit("/", "Go: eve")
visit("/old/", "Flask: eve")
print("# a logout at Flask is one at Go")
visit("/old/logout")
visit("/", "Go: nobody")
print("# all as it should be")
