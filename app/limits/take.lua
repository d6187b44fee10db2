-- Take or return units of a quota with the generic cell rate algorithm (ITU-T I.371, "leaky bucket as a meter").
-- The key holds the time, in milliseconds, at which the whole quota will be available again.
--
-- KEYS[1]  the counter of one client under one policy
-- ARGV[1]  milliseconds until one unit becomes available again
-- ARGV[2]  milliseconds until the whole quota becomes available again
-- ARGV[3]  units to take; a negative number returns units
-- returns  {1 if the units were taken, else 0;
--           milliseconds until the whole quota (if not taken: the requested units) is available}
--
-- The script is atomic, so that concurrent requests are all counted. A time later than we ever set is discarded.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local full = tonumber(redis.call('GET', KEYS[1]) or nil)
if not (full and full > now and full <= now + ARGV[2]) then
  full = now
end
local wanted = math.max(now, full + ARGV[1] * ARGV[3])
local over = wanted - now - ARGV[2]
if over > 0 then
  return {0, over}
end
redis.call('SET', KEYS[1], string.format('%.0f', wanted), 'PX', string.format('%.0f', math.max(1, wanted - now)))
return {1, wanted - now}
