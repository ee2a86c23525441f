#!/usr/bin/env bash
# One would bet: Device Bound Session Credentials work for every cookie that the browser
# keeps, and all the more for one whose name begins with __Host-Http-, the strictest
# prefix of RFC 6265bis: a short-lived cookie that only HTTP sees is what they are for.
#
# Seen in Chromium 156.0.8078.108: it keeps a cookie __Host-Http-… that comes with the
# registration and sends it back, and registers no session for it; DevTools tells of
# InvalidCredentialsCookie. It never asks for a refresh, so the session is lost with the
# first short cookie. The same answer, attributes and all, for __Host-, __Secure-,
# __Http- or no prefix makes a session that is refreshed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir" 2>/dev/null || { sleep 2; rm -rf "$dir"; }' EXIT
cd "$dir"

# Debian 12's packages, unpacked here, on the libraries of an installed chromium; node is
# the server, and drives the browser.
apt-get -q download chromium=156.0.8078.108-1~deb12u1 chromium-common=156.0.8078.108-1~deb12u1 libnss3-tools=2:3.87.1-1+deb12u4 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" unpacked; done
rm ./*.deb

# A certificate without an error, by a CA of our own in the browser's HOME: on any other
# connection Chromium passes over the protocol.
hosts="DNS:none.test,DNS:secure.test,DNS:host.test,DNS:http.test,DNS:hosthttp.test"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj "/CN=a CA" \
	-addext "keyUsage=critical,keyCertSign" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out leaf.csr -subj "/CN=none.test" 2>/dev/null
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n' "$hosts" >leaf.ext
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 2 -days 2 -extfile leaf.ext -out cert.pem 2>/dev/null
mkdir -p home/.pki/nssdb
unpacked/usr/bin/certutil -d sql:home/.pki/nssdb -N --empty-password
unpacked/usr/bin/certutil -d sql:home/.pki/nssdb -A -t C,, -n "a CA" -i ca.pem

cat >main.js <<'JS'
const https = require('https'), fs = require('fs'), { spawn } = require('child_process')
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const until = async (what, f) => { for (const end = Date.now() + 60000; !f(); await sleep(50)) if (Date.now() > end) throw new Error(what) }
const sites = {
  'none.test': { name: 'sid', bound: true },
  'secure.test': { name: '__Secure-sid', bound: true },
  'host.test': { name: '__Host-sid', bound: true },
  'http.test': { name: '__Http-sid', bound: true },
  'hosthttp.test': { name: '__Host-Http-sid', bound: false },
}
for (const s of Object.values(sites)) Object.assign(s, { registered: 0, refreshes: 0, looks: [], events: [] })
const attributes = 'Path=/; Secure; HttpOnly; SameSite=Lax'
const server = https.createServer({ key: fs.readFileSync('key.pem'), cert: fs.readFileSync('cert.pem') }, (req, res) => {
  const host = req.headers.host.split(':')[0], s = sites[host]
  const give = () => {
    res.setHeader('Set-Cookie', `${s.name}=1; Max-Age=5; ${attributes}`)
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify({
      session_identifier: '1', refresh_url: '/refresh',
      scope: { origin: 'https://' + req.headers.host, include_site: false, scope_specification: [] },
      credentials: [{ type: 'cookie', name: s.name, attributes }],
    }))
  }
  if (!s) return res.writeHead(404).end()
  switch (req.url) {
    case '/login':
      res.setHeader('Secure-Session-Registration', '(ES256);path="/register";challenge="c"')
      return res.end('login')
    case '/register':
      s.registered++
      return give()
    case '/refresh':
      s.refreshes++
      if (req.headers['secure-session-response']) return give()
      res.setHeader('Secure-Session-Challenge', '"c";id="1"')
      return res.writeHead(403).end()
    case '/look':
      s.looks.push((req.headers.cookie || '').includes(s.name + '='))
      return res.end('look')
  }
  res.writeHead(404).end()
})
async function main () {
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const port = server.address().port
  const browser = spawn('./unpacked/usr/lib/chromium/chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--no-proxy-server', '--user-data-dir=profile', '--remote-debugging-pipe',
    '--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting',
    '--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  { env: { ...process.env, HOME: process.cwd() + '/home' }, stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
  let n = 0, rest = ''
  const waiting = new Map()
  browser.stdio[4].setEncoding('utf8').on('data', data => {
    const parts = (rest + data).split('\0')
    rest = parts.pop()
    for (const m of parts.map(p => JSON.parse(p))) {
      if (m.id) { waiting.get(m.id)(m); waiting.delete(m.id) }
      if (m.method === 'Network.deviceBoundSessionEventOccurred') seen(m.params)
    }
  })
  const call = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
    waiting.set(++n, m => m.error ? reject(new Error(method + ': ' + m.error.message)) : resolve(m.result))
    browser.stdio[3].write(JSON.stringify({ id: n, method, params, sessionId }) + '\0')
  })
  const seen = e => {
    if (e.creationEventDetails) sites[e.site.replace('https://', '')].events.push(e.creationEventDetails.fetchResult)
  }
  try {
    console.log((await call('Browser.getVersion')).product)
    const { targetId } = await call('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true })
    await call('Network.enable', {}, sessionId)
    await call('Network.enableDeviceBoundSessions', { enable: true }, sessionId)
    const open = url => call('Page.navigate', { url }, sessionId)
    let changed = false
    for (const [host, s] of Object.entries(sites)) {
      await open(`https://${host}:${port}/login`)
      await until('no registration at ' + host, () => s.registered > 0)
      await until('no event at ' + host, () => s.events.length > 0)
      await open(`https://${host}:${port}/look`)
      await until('no request at ' + host, () => s.looks.length > 0)
      await sleep(6000) // the cookie's end
      await open(`https://${host}:${port}/look`)
      await until('no second request at ' + host, () => s.looks.length > 1)
      console.log(`${s.name.padEnd(16)} registration: ${s.events[0].padEnd(26)} then sent: ${s.looks[0]}; after its end: ${s.refreshes} refreshes, sent: ${s.looks[1]}`)
      const bound = s.refreshes > 0 && s.looks[1]
      changed ||= !s.looks[0] || bound !== s.bound || (s.events[0] === 'InvalidCredentialsCookie') === s.bound
    }
    if (changed) console.log('CHANGED: want no session for __Host-Http-, and one for each of the others')
    return changed ? 1 : 0
  } finally {
    browser.kill('SIGKILL')
    await new Promise(resolve => browser.exitCode !== null || browser.signalCode ? resolve() : browser.on('exit', resolve))
  }
}
main().then(code => process.exit(code), err => { console.log(err.message); process.exit(1) })
JS
timeout 300 node main.js
