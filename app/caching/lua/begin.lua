-- Announce a writer: add it to the tombstone, which replaces any other content of the entry.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the writer
-- ARGV[2]  how long the writer may be in flight, in milliseconds
-- returns  number of writers now in flight; or the error that prevented reading the entry
--
-- One script, because two writers that begin at the same time must not remove each other. Deadlines use the clock of
-- the server, which all writers share. Writers with a deadline later than that of this writer are discarded, because
-- the engine never sets one. A tombstone above 64 KiB is discarded as well, because it would hold more than a thousand
-- writers. A discarded writer still deletes the entry when it ends.
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
