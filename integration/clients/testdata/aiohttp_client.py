"""Python's aiohttp. See ../doc.go for what is read and written."""

import asyncio
import base64
import ssl
import sys

import aiohttp


async def main():
    tls = ssl.create_default_context(cafile=sys.argv[1])
    sessions = {}
    print(aiohttp.__version__, flush=True)
    for line in sys.stdin:
        who, method, url, form = line.rstrip("\n").split("\t")
        if who not in sessions:
            sessions[who] = aiohttp.ClientSession()
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        try:
            async with sessions[who].request(method, url, data=form or None, headers=headers, ssl=tls) as r:
                status, body = r.status, await r.read()
        except aiohttp.ClientError as e:
            status, body = 0, str(e).encode()
        print(status, base64.b64encode(body).decode(), sep="\t", flush=True)
    for session in sessions.values():
        await session.close()


asyncio.run(main())
