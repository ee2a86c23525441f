-- What every script begins with. value.go has the layout of the values.
--
-- Times and versions are 8 bytes, big-endian; times are offset so that their
-- bytes are in the order of time. Lua compares strings by the locale and its
-- numbers end at 53 bits, so versions are compared only for equality, and of
-- two times the bytes are: each step multiplies the difference so far by 256 and
-- adds one that is smaller, so that the sign is exact even where the sum is
-- rounded.
--
-- miniredis runs these scripts in the tests of applications. So none uses struct,
-- which it lacks, and byte has its second argument always: without one the Lua
-- there returns every byte of the string.
local call, sub, byte = redis.call, string.sub, string.byte

local DONE, CONFLICT, NOTFOUND, EXISTS, REFUSED, LATE, EXTEND = 0, 1, 2, 3, 4, 5, 6
local LIVE, ENDED, PENDING = 1, 2, 3
local MARGIN = 60000 -- ms that the engine keeps things longer than their time

local function later(a, b)
  local a1, a2, a3, a4, a5, a6, a7, a8 = byte(a, 1, 8)
  local b1, b2, b3, b4, b5, b6, b7, b8 = byte(b, 1, 8)
  return (((((((a1 - b1) * 256 + a2 - b2) * 256 + a3 - b3) * 256 + a4 - b4) * 256 + a5 - b5) * 256 + a6 - b6) * 256 + a7 - b7) * 256 + a8 - b8 > 0
end

local function latest(a, b)
  if later(a, b) then return a end
  return b
end

-- ms returns an 8-byte time in milliseconds.
local function ms(t)
  local a, b, c, d, e, f, g, h = byte(t, 1, 8)
  return math.floor(((((((((a - 128) * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g) * 256 + h) / 1000)
end

-- micros returns the engine's time in microseconds.
local function micros()
  local t = call('TIME')
  return t[1] * 1000000 + t[2]
end

-- head returns the part of a value in front of its data, or ''.
local function head(key) return call('GETRANGE', key, 0, 304) end

local function version(v) return sub(v, 2, 9) end
local function seen(v) return sub(v, 10, 17) end
local function expires(v) return sub(v, 18, 25) end
local function deadline(v) return sub(v, 26, 33) end
local function authtime(v) return sub(v, 34, 41) end
local function user(v) return sub(v, 51, 50 + byte(v, 50)) end

-- lease returns when the engine drops a record.
local function lease(v)
  local t = expires(v)
  if later(t, deadline(v)) then t = deadline(v) end
  return math.max(ms(t) + MARGIN, 1)
end

-- entomb leaves a tombstone in the place of whatever is there. A script may write
-- beyond maxmemory once it has written, and UNLINK always may: a logout must
-- not fail because the memory is full.
local function entomb(key, till, next, extra)
  call('UNLINK', key)
  call('SET', key, string.char(ENDED) .. till .. next, 'PXAT', math.max(ms(till) + MARGIN, extra or 1))
end

-- tell publishes an id that was live and is not any more. It must not fail the
-- call where the user of the connection may not publish.
local function tell(channel, id) redis.pcall('PUBLISH', channel, id) end
