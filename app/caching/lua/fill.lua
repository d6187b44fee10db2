-- Store a computed value, but only while the lease it was computed under still stands.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the lease
-- ARGV[2]  payload, or `fail:` when the computation failed
-- ARGV[3]  time to live, milliseconds
-- returns  1 stored, 0 rejected (a writer began, the lease ran out, or the key was lost)
--
-- Compare and set in one step: a writer that begins between the two would otherwise be overwritten by an older value.
-- A command that times out at the client and runs later is harmless for the same reason.
if redis.pcall('GET', KEYS[1]) ~= 'lease:' .. ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
