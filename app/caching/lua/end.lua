-- Invalidate an entry: a writer is done, or (without a token) somebody drops the value.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the writer; empty: nobody in particular
-- ARGV[2]  how long a writer may be in flight, milliseconds; 0: no other writer is believed
-- returns  1 the entry is gone by this call, 0 there was none or other writers still hold the tombstone; or the error
--          for which the entry cannot be looked at: it may be a tombstone of others
--
-- One step: the tombstone may only go when no writer is left in it, else a reader could fill with what it read before
-- the other writer commits. Without a tombstone (evicted, run out, or begin never arrived) the entry may be older than
-- the write and goes too, a lease included. Only writers that may be ours are left; see begin.lua.
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
