-- KEYS record    ARGV seen, expires
local v = call('GETRANGE', KEYS[1], 0, 49)
if v == '' then return NOTFOUND end
if byte(v, 1) ~= LIVE then return sub(v, 1, 49) end
if later(ARGV[1], seen(v)) or later(ARGV[2], expires(v)) then
  local times = latest(ARGV[1], seen(v)) .. latest(ARGV[2], expires(v))
  call('SETRANGE', KEYS[1], 9, times)
  call('PEXPIREAT', KEYS[1], lease(sub(v, 1, 9) .. times .. sub(v, 26)))
end
return DONE
