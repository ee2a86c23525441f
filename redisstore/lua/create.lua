-- KEYS record [, index]    ARGV value, lease, limit, id, authtime, deadline
local there = call('GETRANGE', KEYS[1], 0, 0)
if there ~= '' then
  if byte(there, 1) == ENDED then return REFUSED end
  return EXISTS
end
-- In a Cluster the index was written before, in another slot. A command that
-- was on its way for longer comes after others may have dropped that entry.
if ARGV[3] ~= '' and micros() / 1000 > tonumber(ARGV[3]) then return LATE end
if KEYS[2] and not admit(KEYS[2], ARGV[4], ARGV[5], ARGV[6], '', '') then return REFUSED end
call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
return DONE
