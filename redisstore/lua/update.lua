-- KEYS record    ARGV value, was, lease, '1' where the index knows the new deadline
--
-- Most commits of all: what nearly every one of them needs comes first, before
-- the functions, whose making is half of a script's time.
local old, new = redis.call('GETRANGE', KEYS[1], 0, 304), ARGV[1]
local data = 50 + string.byte(new, 50)
if string.sub(old, 2, 9) == ARGV[2] and string.byte(old, 1) == 1
  and string.sub(old, 26, 33) == string.sub(new, 26, 33) and string.sub(old, 50, data) == string.sub(new, 50, data) then
  local a, b, c, d, e, f, g, h = string.byte(old, 10, 17)
  local i, j, k, l, m, n, o, p = string.byte(new, 10, 17)
  local seen = (((((((i - a) * 256 + j - b) * 256 + k - c) * 256 + l - d) * 256 + m - e) * 256 + n - f) * 256 + o - g) * 256 + p - h
  a, b, c, d, e, f, g, h = string.byte(old, 18, 25)
  i, j, k, l, m, n, o, p = string.byte(new, 18, 25)
  local expires = (((((((i - a) * 256 + j - b) * 256 + k - c) * 256 + l - d) * 256 + m - e) * 256 + n - f) * 256 + o - g) * 256 + p - h
  if seen >= 0 and expires >= 0 then -- the order of the bytes, as later() has it
    redis.call('SET', KEYS[1], new, 'PXAT', ARGV[3])
    return 0
  end
end
--prelude
if old == '' then return NOTFOUND end
if byte(old, 1) ~= LIVE then return sub(old, 1, 49) end
if version(old) ~= ARGV[2] then return call('GET', KEYS[1]) end
if byte(old, 50) > 0 and ARGV[4] == '' and later(deadline(new), deadline(old)) then return EXTEND end
if user(old) ~= user(new) then -- S3: Update does not change it
  new = sub(new, 1, 49) .. string.char(#user(old)) .. user(old) .. sub(new, data + 1)
end
if later(seen(old), seen(new)) or later(expires(old), expires(new)) then -- S3: a Touch came between
  new = sub(new, 1, 9) .. latest(seen(old), seen(new)) .. latest(expires(old), expires(new)) .. sub(new, 26)
end
call('SET', KEYS[1], new, 'PXAT', lease(new))
return DONE
