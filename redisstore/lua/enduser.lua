-- Without Cluster: all of it at once.
-- KEYS index    ARGV user, at, until, channel, records, kept ids …
local kept = {}
for i = 6, #ARGV do
  local id = ARGV[i]
  while id ~= '' and not kept[id] do -- S8: and what replaced it
    kept[id] = true
    local v = head(ARGV[5] .. id)
    id = v ~= '' and byte(v, 1) == ENDED and sub(v, 10, 41) or ''
  end
end
local found, ended = revoke(KEYS[1], ARGV[2], ARGV[3], kept), {}
for i = 1, #found, 2 do
  local id = found[i]
  local key = ARGV[5] .. id
  local v = head(key)
  -- An id that is not a session of this user is in the index by a Create that
  -- was refused, or has expired.
  if v ~= '' and byte(v, 1) == LIVE and user(v) == ARGV[1] then
    entomb(key, ARGV[3], '')
    tell(ARGV[4], id)
    ended[#ended + 1] = id
  end
  call('HDEL', KEYS[1], id)
end
return ended
