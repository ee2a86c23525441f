-- Cluster: notes a revocation and returns the sessions to end.
-- KEYS index    ARGV at, until, kept ids …
local kept = {}
for i = 3, #ARGV do kept[ARGV[i]] = true end
return revoke(KEYS[1], ARGV[1], ARGV[2], kept)
