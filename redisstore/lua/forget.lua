-- Drops entries that are as the caller saw them.
-- KEYS index    ARGV least age in ms, then id, value …; value may be the first bytes
-- With an age of '' the entries stay, and lose the id that they replaced.
local now = math.floor(micros() / 1000)
for i = 2, #ARGV, 2 do
  local value = call('HGET', KEYS[1], ARGV[i])
  if value and sub(value, 1, #ARGV[i + 1]) == ARGV[i + 1] then
    if ARGV[1] == '' then
      call('HSET', KEYS[1], ARGV[i], sub(value, 1, 24))
    elseif ms(sub(value, 9, 16)) + tonumber(ARGV[1]) <= now then
      call('HDEL', KEYS[1], ARGV[i])
    end
  end
end
return DONE
