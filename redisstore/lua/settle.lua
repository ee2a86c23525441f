-- Cluster: a Replace was decided; its new record goes live ('1') or away ('').
-- KEYS new    ARGV old, '1' or ''
local v = call('GET', KEYS[1])
if not v or byte(v, 1) ~= PENDING or sub(v, 2, 33) ~= ARGV[1] then return DONE end
if ARGV[2] == '' then
  call('UNLINK', KEYS[1])
else
  call('SET', KEYS[1], sub(v, 50), 'KEEPTTL')
end
return DONE
