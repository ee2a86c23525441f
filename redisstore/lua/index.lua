-- A user's index is one hash, so that a script sees all of it in any slot:
--   id (32 bytes)      when its login began, when the entry was made, the
--                      session's deadline, and while a Replace in a Cluster is
--                      under way the id that it replaces
--   'r'                revoked: at, until
--   'k' and an id      kept by that revocation: until
local ENTRY = 120000 -- ms that an entry stays after the deadline: later than the record

-- keep lets the index live at least until at, in ms.
local function keep(index, at, now)
  local left = call('PTTL', index)
  if left < 0 or now + left < at then call('PEXPIREAT', index, math.max(at, 1)) end
end

-- clean drops what is long over among a few random fields: each login adds one
-- entry and looks at three, so an index cannot fill with the past.
local function clean(index, now)
  local some = call('HRANDFIELD', index, 3, 'WITHVALUES')
  for i = 1, #some, 2 do
    local field, value = some[i], some[i + 1]
    if #field == 32 and ms(sub(value, 17, 24)) + ENTRY < now or #field == 33 and ms(value) + MARGIN < now then
      call('HDEL', index, field)
    end
  end
end

-- stamp is a time of micros as 8 bytes.
local function stamp(time)
  local floor, high = math.floor, math.floor(time / 4294967296)
  local low = time - high * 4294967296
  return string.char(128, floor(high / 65536), floor(high / 256) % 256, high % 256,
    floor(low / 16777216), floor(low / 65536) % 256, floor(low / 256) % 256, low % 256)
end

-- admit enters the id unless a revocation forbids it, and returns the entry and
-- the time in ms. old is the id it replaces, or ''; link is old where the entry
-- has to say so.
local function admit(index, id, start, till, old, link)
  local found = call('HMGET', index, 'r', 'k' .. old, id)
  local revoked, kept, entry = found[1], found[2], found[3]
  local time = micros()
  local now = math.floor(time / 1000)
  if revoked and ms(sub(revoked, 9, 16)) + MARGIN < now then revoked = false end
  if revoked and not kept and not later(start, sub(revoked, 1, 8)) then return nil end
  if entry then till = latest(till, sub(entry, 17, 24)) end
  entry = start .. stamp(time) .. till .. link
  call('HSET', index, id, entry)
  if kept then call('HSET', index, 'k' .. id, kept) end
  clean(index, now)
  keep(index, ms(till) + ENTRY, now)
  return entry, now
end

-- revoke notes the revocation and returns the entries that are not kept: id,
-- value, id, value … kept is a set of ids.
local function revoke(index, at, till, kept)
  local all, found = call('HGETALL', index), {}
  call('HDEL', index, '-') -- a revocation too must not fail for want of memory
  for i = 1, #all, 2 do
    local field, value = all[i], all[i + 1]
    if field == 'r' then
      at, till = latest(at, sub(value, 1, 8)), latest(till, sub(value, 9, 16))
    elseif #field == 33 then
      call('HDEL', index, field) -- what only an earlier call kept is not kept any more
    elseif kept[field] then
      -- stays
    elseif kept[sub(value, 25)] then
      kept[field] = true
    else
      found[#found + 1] = field
      found[#found + 1] = value
    end
  end
  call('HSET', index, 'r', at .. till)
  for id in pairs(kept) do call('HSET', index, 'k' .. id, till) end
  keep(index, ms(till) + MARGIN, math.floor(micros() / 1000))
  return found
end
