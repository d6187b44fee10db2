-- Take units of a quota, or give them back, by the generic cell rate algorithm (ITU-T I.371, also known as the leaky
-- bucket as a meter): the key holds the moment, in milliseconds, at which the whole quota will be available again.
--
-- KEYS[1]  the counter of one client under one policy
-- ARGV[1]  milliseconds in which one unit comes back
-- ARGV[2]  milliseconds in which the whole quota comes back
-- ARGV[3]  units to take; negative: to give back
-- returns  {1 when they were taken else 0, milliseconds until all or (not taken) these units are available}
--
-- One step: of two requests that come together both count. A moment further away than we ever set one is not believed.
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
