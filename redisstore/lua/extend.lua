-- Lets the index know that a session's deadline moved back.
-- KEYS index    ARGV id, deadline
local value = call('HGET', KEYS[1], ARGV[1])
if value then
  local till = latest(sub(value, 17, 24), ARGV[2])
  call('HSET', KEYS[1], ARGV[1], sub(value, 1, 16) .. till .. sub(value, 25))
  keep(KEYS[1], ms(till) + ENTRY, math.floor(micros() / 1000))
end
return DONE
