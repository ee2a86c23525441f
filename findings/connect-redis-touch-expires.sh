#!/usr/bin/env bash
# One would bet: the "expires" in a session that express-session keeps in Redis is when
# the session ends. It is written next to the data, as an exact time, and the key's time
# to live is made of it.
#
# Seen with express-session 1.19.0 and connect-redis 9.0.0: a request that changes
# nothing renews the browser's cookie (rolling) and, by touch, the key's time to live,
# and leaves the record as it was. A session that is only read lives on with an
# "expires" in its record that has passed, and is served. Who reads records beside the
# application has to ask Redis for the key's PTTL.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${redis:-}" 2>/dev/null || :; rm -rf "$dir"' EXIT
cd "$dir"
cat > package.json <<'JSON'
{ "private": true, "dependencies": { "connect-redis": "9.0.0", "express": "5.3.0", "express-session": "1.19.0", "redis": "6.3.1" } }
JSON
npm install --no-audit --no-fund --ignore-scripts >/dev/null
redis-server --unixsocket "$dir/socket" --port 0 --save '' --dir "$dir" >/dev/null &
redis=$!
cat > main.js <<'JS'
const express = require('express')
const session = require('express-session')
const { RedisStore } = require('connect-redis')
const { createClient } = require('redis')
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
async function main () {
  for (const name of ['express-session', 'connect-redis']) console.log(name, require(`./node_modules/${name}/package.json`).version)
  const client = createClient({ socket: { path: process.argv[2] } })
  await client.connect()
  const app = express()
  app.use(session({ store: new RedisStore({ client }), secret: 's', resave: false, saveUninitialized: false, rolling: true, cookie: { maxAge: 4000 } }))
  app.get('/login', (req, res) => { req.session.user = 'u'; res.end() })
  app.get('/', (req, res) => res.end(req.session.user))
  const server = app.listen(0, '127.0.0.1')
  await new Promise(resolve => server.on('listening', resolve))
  const url = `http://127.0.0.1:${server.address().port}`
  const first = await fetch(url + '/login')
  let cookie = first.headers.get('set-cookie').split(';')[0]
  const [key] = await client.keys('sess:*')
  for (let i = 0; i < 5; i++) {
    await sleep(1100)
    await (await fetch(url, { headers: { cookie } })).text()
  }
  const user = await (await fetch(url, { headers: { cookie } })).text()
  const expires = new Date(JSON.parse(await client.get(key)).cookie.expires)
  const left = await client.pTTL(key)
  console.log(`served as ${user}; the record's expires passed ${Date.now() - expires} ms ago; Redis keeps the key for another ${left} ms`)
  process.exit(user === 'u' && expires < Date.now() && left > 0 ? 0 : 1)
}
main()
JS
for _ in $(seq 100); do [ -S "$dir/socket" ] && break; sleep 0.1; done
node main.js "$dir/socket" || { echo "This has changed."; exit 1; }
