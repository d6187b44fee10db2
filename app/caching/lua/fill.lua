-- Store a computed value, but only if the entry still holds the lease of the reader.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the lease
-- ARGV[2]  how long a writer may be in flight, in milliseconds
-- ARGV[3]  how long after the begin of a writer readers may use the kept value, in milliseconds
-- ARGV[4]  payload, or `fail:` when the computation failed
-- ARGV[5]  TTL in milliseconds
-- returns  1 stored; otherwise rejected (a writer began, the lease expired, or the key was lost): the value that a
--          reader finds now, as in read.lua, or 0 if there is none
--
-- Compare-and-set in one script: otherwise an older value could overwrite the mark of a writer that begins between
-- the two steps. For the same reason, a command that timed out at the client and runs later is harmless.
-- include writing.lua
local content = redis.pcall('GET', KEYS[1])
if content ~= 'lease:' .. ARGV[1] then
  return peek(content, tonumber(ARGV[2]), tonumber(ARGV[3]))
end
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
return 1
