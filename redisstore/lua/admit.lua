-- Cluster: enters a session that is about to be made.
-- KEYS index    ARGV id, authtime, deadline, old
local entry, now = admit(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[4])
if not entry then return REFUSED end
return {entry, now}
