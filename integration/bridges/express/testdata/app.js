'use strict'
// One Express application on express-session and one on cookie-session, with passport
// in both. What to run is in the environment: REDIS, SECRETS, KEYS, MAXAGE. It prints
// its two ports.
const express = require('express')
const session = require('express-session')
const cookieSession = require('cookie-session')
const passport = require('passport')
const { RedisStore } = require('connect-redis')
const { createClient } = require('redis')

const maxAge = process.env.MAXAGE ? Number(process.env.MAXAGE) : undefined

passport.serializeUser((user, done) => done(null, user.id))
passport.deserializeUser((id, done) => done(null, { id }))

function application (sessions, end) {
  const app = express()
  app.use(sessions)
  // cookie-session has not what passport 0.6 and later call.
  app.use((req, res, next) => {
    if (req.session && !req.session.regenerate) {
      req.session.regenerate = done => done()
      req.session.save = done => done()
      for (const name of ['regenerate', 'save']) {
        Object.defineProperty(req.session, name, { enumerable: false })
      }
    }
    next()
  })
  app.use(passport.session())
  app.use(express.json({ limit: '1mb', strict: false }))
  app.post('/login', (req, res, next) => {
    const { user, ...values } = req.body
    req.login({ id: user }, err => {
      if (err) return next(err)
      Object.assign(req.session, values)
      res.end()
    })
  })
  app.get('/show', (req, res) => {
    const { cookie, passport, ...values } = req.session
    if (req.user) values.user = req.user.id
    res.json(values)
  })
  app.post('/touch', (req, res) => { req.session.touch && req.session.touch(); res.end() })
  app.post('/logout', (req, res, next) => end(req, err => err ? next(err) : res.end()))
  const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
}

async function main () {
  const client = createClient({ url: process.env.REDIS })
  await client.connect()
  application(session({
    store: new RedisStore({ client }),
    secret: process.env.SECRETS.split(','),
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge, sameSite: 'lax' }
  }), (req, done) => req.session.destroy(done))
  application(cookieSession({ keys: process.env.KEYS.split(','), maxAge, sameSite: 'lax' }), (req, done) => { req.session = null; done() })
}
main()
process.stdin.on('end', () => process.exit(0)).resume() // with the test
