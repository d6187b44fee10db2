-- Release a lease without storing a value, so that the next reader does not wait for it to expire.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the lease
-- ARGV[2]  how long a writer may be in flight, in milliseconds
-- ARGV[3]  how long after the begin of a writer readers may use the kept value, in milliseconds
-- returns  1 released; otherwise the entry does not hold this lease any more: the value that a reader finds now, as in
--          read.lua, or 0 if there is none
--
-- Compare-and-delete in one script: another reader may hold the lease now, or a writer may have begun.
-- include writing.lua
local content = redis.pcall('GET', KEYS[1])
if content ~= 'lease:' .. ARGV[1] then
  return peek(content, tonumber(ARGV[2]), tonumber(ARGV[3]))
end
return redis.call('UNLINK', KEYS[1])
