-- Give a lease back without a value, so that the next reader need not wait for it to run out.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the lease
-- returns  1 dropped, 0 not ours any more
--
-- Compare and delete in one step: the lease may have passed to another reader, or a writer may have begun.
if redis.pcall('GET', KEYS[1]) ~= 'lease:' .. ARGV[1] then
  return 0
end
return redis.call('UNLINK', KEYS[1])
