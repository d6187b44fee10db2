-- Store a value if no value is stored.
--
-- KEYS[1]  the entry
-- ARGV[1]  payload
-- ARGV[2]  TTL in seconds; 0: no TTL
-- returns  1 stored, 0 a value or another data type is stored; or the error that prevented reading the entry
--
-- Leases, failure marks and entries of writers in flight are not values, so this script replaces them. A reader whose
-- lease was replaced cannot fill any more, because a fill compares first. A writer that is no longer listed still
-- deletes the entry when it ends.
local content = redis.pcall('GET', KEYS[1])
if type(content) == 'table' and not string.find(content.err, 'WRONGTYPE', 1, true) then
  return content
end
if type(content) == 'table' then
  return 0
end
if content then
  local state = string.sub(content, 1, 6)
  if state ~= 'lease:' and state ~= 'write:' and state ~= 'fail:' then
    return 0
  end
end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return 1
