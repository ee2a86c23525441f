-- Cluster: ends one session of a revoked user.
-- KEYS record    ARGV id, until, user, channel, '1' to leave a tombstone where nothing is
local v = head(KEYS[1])
if v == '' then
  if ARGV[5] ~= '' then entomb(KEYS[1], ARGV[2], '') end
  return {0, ''}
end
if byte(v, 1) ~= LIVE then return {byte(v, 1), sub(v, 2, 41)} end
if user(v) ~= ARGV[3] then return {0, ''} end
entomb(KEYS[1], ARGV[2], '')
tell(ARGV[4], ARGV[1])
return {LIVE, ''}
