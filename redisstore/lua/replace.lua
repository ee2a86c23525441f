-- Without Cluster: all of it at once.
-- KEYS old, new [, index]
-- ARGV value, lease, was, until, old, new, authtime, deadline, channel, indexes
local v = head(KEYS[1])
if v == '' then return NOTFOUND end
if byte(v, 1) ~= LIVE then return sub(v, 1, 49) end
if version(v) ~= ARGV[3] then return CONFLICT end
local there = call('GETRANGE', KEYS[2], 0, 0)
if there ~= '' then
  if byte(there, 1) == ENDED then return REFUSED end
  return EXISTS
end
if KEYS[3] and not admit(KEYS[3], ARGV[6], ARGV[7], ARGV[8], ARGV[5], '') then return REFUSED end
call('SET', KEYS[2], ARGV[1], 'PXAT', ARGV[2])
entomb(KEYS[1], ARGV[4], ARGV[6])
if user(v) ~= '' then call('HDEL', ARGV[10] .. user(v), ARGV[5]) end
tell(ARGV[9], ARGV[5])
return DONE
