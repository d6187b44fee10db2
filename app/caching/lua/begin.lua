-- Announce a writer: put it into the tombstone, which replaces whatever the entry held.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the writer
-- ARGV[2]  how long the writer may be in flight, milliseconds
-- returns  number of writers now in flight; or the error for which the entry cannot be looked at
--
-- One step: of two writers that begin together neither may erase the other. Deadlines use the server's clock, the one
-- clock all writers share. Only what may be ours is kept: a later deadline than this writer's own is none of ours, and
-- more than 64 KiB would be over a thousand writers of one entry. Whoever is left out still drops the entry at its end.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = now + ARGV[2]
local writers = {ARGV[1] .. '@' .. string.format('%.0f', last)}
local content = redis.pcall('GET', KEYS[1])
if type(content) == 'table' and not string.find(content.err, 'WRONGTYPE', 1, true) then
  return content
end
if type(content) == 'string' and string.sub(content, 1, 6) == 'dirty:' and #content <= 65536 then
  for writer in string.gmatch(string.sub(content, 7), '[^,]+') do
    local token, deadline = string.match(writer, '^([^@]+)@(%d+)$')
    local at = tonumber(deadline or 0)
    if at > now and at <= last and token ~= ARGV[1] then
      writers[#writers + 1] = writer
    end
  end
end
redis.call('SET', KEYS[1], 'dirty:' .. table.concat(writers, ','), 'PX', ARGV[2])
return #writers
