-- Invalidate an entry: end a writer or, without a token, delete the value.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the writer; empty: no writer
-- ARGV[2]  how long a writer may be in flight, in milliseconds; 0: remove other writers too
-- returns  1 this call deleted the entry; 0 there was no entry, or other writers remain in the tombstone; or the error
--          that prevented reading the entry. After an error, the entry may be a tombstone of other writers.
--
-- One script, because the tombstone may be deleted only when no writer remains. Otherwise a reader could fill with data
-- that it read before the commit of another writer. Without a tombstone (it was evicted, it expired, or begin did not
-- arrive) the entry may be older than the write. It is deleted then, even if it is a lease. Other writers are kept only
-- if their deadlines are plausible; see begin.lua.
local content = redis.pcall('GET', KEYS[1])
if type(content) == 'table' and not string.find(content.err, 'WRONGTYPE', 1, true) then
  return content
end
if type(content) == 'string' and string.sub(content, 1, 6) == 'dirty:' and #content <= 65536 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local last = now
  local writers = {}
  for writer in string.gmatch(string.sub(content, 7), '[^,]+') do
    local token, deadline = string.match(writer, '^([^@]+)@(%d+)$')
    local at = tonumber(deadline or 0)
    if at > now and at <= now + ARGV[2] and token ~= ARGV[1] then
      writers[#writers + 1] = writer
      last = math.max(last, at)
    end
  end
  if #writers > 0 then
    redis.call('SET', KEYS[1], 'dirty:' .. table.concat(writers, ','), 'PX', string.format('%.0f', last - now))
    return 0
  end
end
return redis.call('UNLINK', KEYS[1])
