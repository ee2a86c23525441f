-- Cluster: the step of a Replace that decides. Whoever makes it, the same
-- Replace can make it again and gets the same answer.
-- KEYS old    ARGV old, was, new, until, limit, least time of the tombstone in ms, channel
local v = head(KEYS[1])
if v == '' then return NOTFOUND end
if byte(v, 1) == ENDED and sub(v, 10, 41) == ARGV[3] then return {ENDED, ''} end
if byte(v, 1) ~= LIVE then return sub(v, 1, 49) end
if version(v) ~= ARGV[2] then return CONFLICT end
local now = math.floor(micros() / 1000)
if ARGV[5] ~= '' and now > tonumber(ARGV[5]) then return LATE end
entomb(KEYS[1], ARGV[4], ARGV[3], now + tonumber(ARGV[6]))
tell(ARGV[7], ARGV[1])
return {LIVE, authtime(v) .. user(v)}
