-- Read an entry, or take the lease to compute its value.
--
-- KEYS[1]  the entry
-- ARGV[1]  token for the lease of this reader
-- ARGV[2]  lease time, in milliseconds
-- ARGV[3]  how long a writer may be in flight, in milliseconds
-- ARGV[4]  lifetime of a failure mark, in milliseconds
-- ARGV[5]  how long after the begin of a writer readers may use the kept value, in milliseconds
-- returns  {payload, remaining TTL in milliseconds (-1: no TTL), number of writers in flight}  a value
--          0  the entry was absent: the caller now holds the lease
--          1  another reader holds the lease
--          2  writers are in flight, and there is no value that readers may use
--          3  not a string: another program uses this key
--          4  a failure mark: the last computation failed, less than a wait time ago
--          5  content that this engine never stores and that must be discarded: a mark with a longer TTL than the
--             engine sets, or a text longer than the engine stores
--          or the error that prevented reading the entry, such as a missing permission
--
-- One script, because only one of two readers that find the entry absent may take the lease. A hit must also take only
-- one round trip. The script writes only on a miss, so a full server (OOM) still answers hits.
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
if state == 'lease:' or state == 'fail:' then
  local reply, longest = 1, ARGV[2]
  if state == 'fail:' then
    reply, longest = 4, ARGV[4]
  end
  return left >= 0 and left <= tonumber(longest) and #content <= 65536 and reply or 5 -- MAX_MARK
elseif state ~= 'write:' then
  return #content > 1048576 and 5 or {content, left, 0} -- MAX_PAYLOAD_BYTES
end
-- include writing.lua
return find(content, tonumber(ARGV[3]), tonumber(ARGV[5]))
