-- Store a value where none is stored.
--
-- KEYS[1]  the entry
-- ARGV[1]  payload
-- ARGV[2]  time to live, seconds; 0: none
-- returns  1 stored, 0 there is a value, or somebody else's data; or the error for which nobody can tell
--
-- A lease, a tombstone and a failure are no values. The reader whose lease goes cannot fill any more: filling compares
-- first. A writer whose tombstone goes still drops the entry when it ends.
local content = redis.pcall('GET', KEYS[1])
if type(content) == 'table' and not string.find(content.err, 'WRONGTYPE', 1, true) then
  return content
end
if type(content) == 'table' then
  return 0
end
if content then
  local state = string.sub(content, 1, 6)
  if state ~= 'lease:' and state ~= 'dirty:' and state ~= 'fail:' then
    return 0
  end
end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return 1
