-- KEYS record    ARGV id, until, channel, indexes ('' in a Cluster)
-- Returns what was there, and the successor or the session's begin and user.
local v = head(KEYS[1])
if v == '' then
  entomb(KEYS[1], ARGV[2], '')
  return {0, ''}
end
local kind = byte(v, 1)
if kind == ENDED then
  local till = sub(v, 2, 9)
  if later(ARGV[2], till) then
    local left = call('PTTL', KEYS[1])
    entomb(KEYS[1], ARGV[2], sub(v, 10, 41), math.floor(micros() / 1000) + left)
  end
  return {ENDED, sub(v, 10, 41)}
end
if kind == PENDING then v = sub(call('GET', KEYS[1]), 50) end
entomb(KEYS[1], ARGV[2], '')
if kind == LIVE then
  if ARGV[4] ~= '' and user(v) ~= '' then call('HDEL', ARGV[4] .. user(v), ARGV[1]) end
  tell(ARGV[3], ARGV[1])
end
return {kind, authtime(v) .. user(v)}
