-- KEYS any    A write that changes nothing, for WAIT: it tells of the writes of
-- its own connection only, and of a script that found everything done already
-- there is none. What expires gets the time again that it has left, and no other
-- value is ever seen. The first command of each way may be used beyond maxmemory,
-- and lets the others.
local kind = call('TYPE', KEYS[1]).ok
if kind == 'none' then
  call('UNLINK', KEYS[1])
  call('SET', KEYS[1], '')
  call('UNLINK', KEYS[1])
elseif kind == 'hash' then
  call('HDEL', KEYS[1], '-')
  call('HSET', KEYS[1], '-', '')
  call('HDEL', KEYS[1], '-')
else
  call('PEXPIRE', KEYS[1], math.max(call('PTTL', KEYS[1]), 1))
end
return DONE
