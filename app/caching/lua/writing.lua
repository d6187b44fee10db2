-- Functions for the state `writing`. `scripts.py` puts them into each script that includes this file.
--
-- The content of such an entry is `write:<use> <writers> <expires> <version> <value>`:
--   use      serving: a reader may use the value for a short time. collecting: readers may not use it, but the last
--            writer that ends leaves it in the entry. closed: there is no value, and no writer may add one
--   writers  <token>@<deadline>,…  the writers in flight; deadlines are milliseconds of the server's clock
--   expires  when the value expires, on the same clock; 0: there is no value
--   version  version of the value; 0: there is no value, or a reader stored it
--   value    the payload
--
-- The deadline of a writer is the time of its begin plus `longest`, the time that a writer may be in flight. A later
-- deadline is not plausible, because the engine never sets one. A writer with an expired or implausible deadline is
-- removed, and the entry is closed, because nobody knows whether the value contains the change of this writer.
local MAX_MARK, MAX_VALUE = 65536, 1048576 -- MAX_PAYLOAD_BYTES

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function close(entry)
  entry.use, entry.expires, entry.version, entry.value = 'closed', 0, 0, ''
end

-- Return the entry as a table, or nil if this engine cannot have stored the content. `writers` are the writers except
-- for `token`, and `last` is their last deadline. `own` is the deadline of `token`, and `first` is the first deadline
-- of all writers.
local function parse(content, now, longest, token)
  local use, list, expires, version, start =
    string.match(string.sub(content, 1, MAX_MARK), '^write:(%l+) (%S+) (%d+) (%d+) ()')
  if not use or #content - start >= MAX_VALUE then
    return nil
  end
  local entry = {use = use, writers = {}, first = math.huge, last = now}
  entry.expires, entry.version, entry.value = tonumber(expires), tonumber(version), string.sub(content, start)
  local whole = use == 'serving' or use == 'collecting'
  for writer in string.gmatch(list, '[^,]+') do
    local name, deadline = string.match(writer, '^([^@]+)@(%d+)$')
    local at = tonumber(deadline or 0)
    if at <= now or at > now + longest then
      whole = false
    else
      entry.first = math.min(entry.first, at)
      if name == token then
        entry.own = at
      else
        entry.writers[#entry.writers + 1] = writer
        entry.last = math.max(entry.last, at)
      end
    end
  end
  if not whole or entry.first == math.huge then
    close(entry)
  end
  return entry
end

local function text(entry)
  local numbers = string.format(' %.0f %.0f ', entry.expires, entry.version)
  return 'write:' .. entry.use .. ' ' .. table.concat(entry.writers, ',') .. numbers .. entry.value
end

-- Whether readers must not use the value now, although the entry is serving: it has expired, or the first writer has
-- been in flight for too long.
local function paused(entry, now, longest, overlap)
  return entry.expires <= now or entry.first - longest + overlap <= now
end

-- Return what a reader may use: {payload, remaining TTL in milliseconds (-1: no TTL), number of writers in flight}.
-- Otherwise return 2 if writers are in flight, or 5 for content that this engine never stores.
local function find(content, longest, overlap)
  local left = redis.call('PTTL', KEYS[1])
  if string.sub(content, 1, 6) ~= 'write:' then
    return #content > MAX_VALUE and 5 or {content, left, 0}
  end
  local now = clock()
  local entry = left >= 0 and left <= longest and parse(content, now, longest)
  if not entry then
    return 5
  end
  if entry.use ~= 'serving' or paused(entry, now, longest, overlap) then
    return 2
  end
  return {entry.value, entry.expires - now, #entry.writers}
end

-- Return the value that a reader finds now, like `find`, or 0. The reader has no lease and takes none.
local function peek(content, longest, overlap)
  if type(content) ~= 'string' or string.sub(content, 1, 6) == 'lease:' or content == 'fail:' then
    return 0
  end
  local found = find(content, longest, overlap)
  return type(found) == 'table' and found or 0
end
