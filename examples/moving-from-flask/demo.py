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
        browser.open(site + "/new/", timeout=30)
        break
    except urllib.error.URLError:
        time.sleep(0.5)

print("# a login at Flask is one at Go, with the cart")
visit("/login", user="bob")
visit("/new/", 'Go: user "bob", cart ["tea" "jam"]')
print("# a logout at Go is one at Flask")
visit("/new/logout")
visit("/new/", 'Go: user ""')
visit("/", "Flask: user None")
print("# a login at Go is one at Flask")
visit("/new/login", user="eve")
visit("/new/", 'Go: user "eve"')
visit("/", "Flask: user eve")
print("# a logout at Flask is one at Go")
visit("/logout")
visit("/new/", 'Go: user ""')
print("# all as it should be")
