-- Read an entry, or take the lease to compute it, in one step.
--
-- KEYS[1]  the entry
-- ARGV[1]  token this reader would hold the lease with
-- ARGV[2]  lease time, milliseconds
-- returns  {payload, milliseconds left}  a value (-1 milliseconds: it never expires)
--          0  absent until now: the caller holds the lease
--          1  another reader holds the lease
--          2  a tombstone: writers are in flight
--          3  not a string: somebody else's data sits at our key
--          4  the last computation failed, less than a wait time ago
--          or the error for which the entry cannot be looked at, such as a missing permission
--
-- One script, because two readers that both see "absent" must not both get the lease, and because a hit must cost one
-- round trip. The write stays behind the hit: a full server (OOM) still answers hits.
local content = redis.pcall('GET', KEYS[1])
if content == false then
  redis.call('SET', KEYS[1], 'lease:' .. ARGV[1], 'PX', ARGV[2])
  return 0
end
if type(content) == 'table' and not string.find(content.err, 'WRONGTYPE', 1, true) then
  return content
end
if type(content) == 'table' then
  return 3
end
local state = string.sub(content, 1, 6)
if state == 'lease:' then
  return 1
end
if state == 'dirty:' then
  return 2
end
if state == 'fail:' then
  return 4
end
return {content, redis.call('PTTL', KEYS[1])}
