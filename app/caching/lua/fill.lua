-- Store a computed value, but only if the entry still holds the lease of the reader.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the lease
-- ARGV[2]  payload, or `fail:` when the computation failed
-- ARGV[3]  TTL in milliseconds
-- returns  1 stored, 0 rejected (a writer began, the lease expired, or the key was lost)
--
-- Compare-and-set in one script: otherwise an older value could overwrite the tombstone of a writer that begins between
-- the two steps. For the same reason, a command that timed out at the client and runs later is harmless.
if redis.pcall('GET', KEYS[1]) ~= 'lease:' .. ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
