-- Invalidate an entry, or replace its value: end a writer or, without a token, delete the value.
--
-- KEYS[1]  the entry
-- ARGV[1]  token of the writer; empty: no writer
-- ARGV[2]  how long a writer may be in flight, in milliseconds; 0: remove other writers too
-- The others are given only with a value:
-- ARGV[3]  deadline that begin returned to the writer
-- ARGV[4]  version of the value
-- ARGV[5]  TTL of the value in milliseconds; it counts from the begin of the writer
-- ARGV[6]  how long after the begin of a writer readers may use the kept value, in milliseconds
-- ARGV[7]  payload
-- returns  1 this call deleted the entry; 0 there was no entry, or other writers remain; 2 the entry is now a value; or
--          the error that prevented reading the entry
--
-- One script, because the entry may be deleted, or become a value, only when no writer remains. Otherwise a reader
-- could use data from before the commit of another writer. The value is used only if the entry still lists this writer
-- with the deadline that begin returned, and only if its version is higher than that of the value in the entry.
-- In all other cases the entry is closed: the kept value may be older than the write. Without a list of writers (it was
-- evicted, it expired, or begin did not arrive) any content is deleted, even a lease.
--
-- If the server refuses to store the entry, because it is full, for example, the entry is deleted, as in an eviction.
-- include writing.lua
local function store(content, milliseconds)
  local reply = redis.pcall('SET', KEYS[1], content, 'PX', string.format('%.0f', milliseconds))
  return not reply.err or redis.call('UNLINK', KEYS[1])
end

local content = redis.pcall('GET', KEYS[1])
if type(content) == 'table' and not string.find(content.err, 'WRONGTYPE', 1, true) then
  return content
end
local now, longest = clock(), tonumber(ARGV[2])
local entry = type(content) == 'string' and string.sub(content, 1, 6) == 'write:'
  and parse(content, now, longest, ARGV[1])
if entry then
  if not ARGV[3] or entry.own ~= tonumber(ARGV[3]) then
    close(entry)
  elseif entry.use ~= 'closed' then
    if paused(entry, now, longest, tonumber(ARGV[6])) then
      entry.use = 'collecting'
    end
    if tonumber(ARGV[4]) > entry.version then
      entry.version, entry.value = tonumber(ARGV[4]), ARGV[7]
      entry.expires = entry.own - longest + ARGV[5]
    end
  end
  if #entry.writers > 0 then
    store(text(entry), entry.last - now)
    return 0
  end
  if entry.expires > now then
    store(entry.value, entry.expires - now)
    return 2
  end
end
return redis.call('UNLINK', KEYS[1])
