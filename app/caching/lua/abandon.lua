-- Release a lease without storing a value, so that the next reader does not wait for it to expire.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the lease
-- returns  1 released, 0 the entry does not hold this lease any more
--
-- Compare-and-delete in one script: another reader may hold the lease now, or a writer may have begun.
if redis.pcall('GET', KEYS[1]) ~= 'lease:' .. ARGV[1] then
  return 0
end
return redis.call('UNLINK', KEYS[1])
