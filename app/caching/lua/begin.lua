-- Announce a writer: add it to the writers in flight, and keep the value of the entry beside them.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the writer
-- ARGV[2]  how long the writer may be in flight, in milliseconds
-- ARGV[3]  1: close the entry, because the outcome of this writer is unknown; 0: otherwise
-- returns  the deadline of the writer, in milliseconds of the server's clock; or the error that prevented reading the
--          entry
--
-- One script, because two writers that begin at the same time must not remove each other. Deadlines use the clock of
-- the server, which all writers share. If the entry already lists the token, begin runs for the second time. The entry
-- is closed then: this begin may be one that timed out and runs late, in the middle of the change.
-- include writing.lua
local now = clock()
local longest = tonumber(ARGV[2])
local content = redis.pcall('GET', KEYS[1])
if type(content) == 'table' and not string.find(content.err, 'WRONGTYPE', 1, true) then
  return content
end
local entry = {use = 'collecting', writers = {}, expires = 0, version = 0, value = ''}
if type(content) == 'string' and string.sub(content, 1, 6) == 'write:' then
  local found = parse(content, now, longest, ARGV[1])
  entry = found or entry
  if not found or found.own then
    close(entry)
  end
elseif type(content) == 'string' and string.sub(content, 1, 6) ~= 'lease:' and content ~= 'fail:' then
  local left = redis.call('PTTL', KEYS[1])
  if left > 0 and #content <= MAX_VALUE then
    entry.use, entry.expires, entry.value = 'serving', now + left, content
  end
end
if ARGV[3] == '1' then
  close(entry)
end
table.insert(entry.writers, 1, ARGV[1] .. '@' .. string.format('%.0f', now + longest))
redis.call('SET', KEYS[1], text(entry), 'PX', ARGV[2])
return now + longest
