-- Read an entry, or take the lease to compute it, in one step.
--
-- KEYS[1]  the entry
-- ARGV[1]  token this reader would hold the lease with
-- ARGV[2]  lease time, milliseconds
-- ARGV[3]  how long a writer may be in flight, milliseconds
-- ARGV[4]  how long a failure is remembered, milliseconds
-- returns  {payload, milliseconds left}  a value (-1 milliseconds: it never expires)
--          0  absent until now: the caller holds the lease
--          1  another reader holds the lease
--          2  a tombstone: writers are in flight
--          3  not a string: somebody else's data sits at our key
--          4  the last computation failed, less than a wait time ago
--          5  something that this cache never leaves: a mark that would stand longer than ours ever do, or a text that
--             is longer than ours ever are; not to be believed
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
local left = redis.call('PTTL', KEYS[1])
local state = string.sub(content, 1, 6)
local reply, longest
if state == 'lease:' then
  reply, longest = 1, ARGV[2]
elseif state == 'dirty:' then
  reply, longest = 2, ARGV[3]
elseif state == 'fail:' then
  reply, longest = 4, ARGV[4]
elseif #content > 1048576 then -- MAX_PAYLOAD_BYTES
  return 5
else
  return {content, left}
end
if left < 0 or left > tonumber(longest) or #content > 65536 then -- as in begin.lua
  return 5
end
return reply
