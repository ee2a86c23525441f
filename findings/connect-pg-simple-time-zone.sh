#!/usr/bin/env bash
# One would bet: a store that makes the end of a session with to_timestamp, from seconds
# since 1970, and compares with to_timestamp, means the same moment wherever it is read.
#
# Seen with connect-pg-simple 10.0.0 and its own table.sql, on PostgreSQL 17.5: the column
# expire is a timestamp without time zone, so PostgreSQL makes local time of it, by the
# TimeZone that the connection, the role or the database happens to have. Of a session that
# has an hour left, a connection with another TimeZone sees eight, or none: the user is
# logged out. With one TimeZone for all the hour that comes twice when summer ends remains:
# sessions that end an hour apart have the same row.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >package.json <<'JSON'
{ "private": true, "type": "module", "dependencies": { "@electric-sql/pglite": "0.3.16", "connect-pg-simple": "10.0.0", "express-session": "1.19.0" } }
JSON
npm install --no-audit --no-fund --ignore-scripts >/dev/null
cat >main.js <<'JS'
import { readFileSync } from 'node:fs'
import { PGlite } from '@electric-sql/pglite' // PostgreSQL itself, as WebAssembly
import connect from 'connect-pg-simple'
import session from 'express-session'

const name = 'connect-pg-simple'
console.log(name, JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version)
const db = await PGlite.create()
console.log((await db.query('SHOW server_version')).rows[0].server_version)
await db.exec(readFileSync(`node_modules/${name}/table.sql`, 'utf8'))

const Store = connect(session)
const store = new Store({
  pruneSessionInterval: false,
  pool: { // as that of pg
    query: (text, values) => db.query(text, values).then(r => ({ rows: r.rows, rowCount: r.affectedRows }))
  }
})
const call = (method, ...args) => new Promise((resolve, reject) => store[method](...args, (err, got) => err ? reject(err) : resolve(got)))
const made = expires => ({ cookie: { path: '/', originalMaxAge: 3600e3, expires: expires.toISOString() }, user: 'alice' })
const zone = name => db.query(`SET TimeZone = '${name}'`)

let changed = false
for (const [writes, reads, hours, user] of [
  ['UTC', 'UTC', 1, 'alice'], ['UTC', 'America/Phoenix', 8, 'alice'], ['UTC', 'Asia/Tokyo', -8, undefined]
]) {
  await zone(writes)
  await call('set', 's', made(new Date(Date.now() + 3600e3)))
  await zone(reads)
  const got = (await call('get', 's'))?.user
  const left = Number((await db.query("SELECT round(extract(epoch FROM expire::timestamptz - now()) / 3600) AS h FROM session WHERE sid = 's'")).rows[0].h)
  console.log(`written with ${writes}, read with ${reads}: ${got}, ${left} h left`)
  changed ||= got !== user || left !== hours
}
await zone('Europe/Berlin')
const rows = []
for (const at of ['2027-10-31T00:30:00Z', '2027-10-31T01:30:00Z']) {
  await call('set', at, made(new Date(at)))
  rows.push((await db.query('SELECT expire::text AS e FROM session WHERE sid = $1', [at])).rows[0].e)
  console.log(`in Europe/Berlin an end at ${at} is ${rows.at(-1)}`)
}
process.exit(changed || rows[0] !== rows[1] ? 1 : 0)
JS
node main.js || { echo "This has changed."; exit 1; }
