-- Read the value of an entry without taking a lease.
--
-- KEYS[1]  the entry
-- ARGV[1]  how long a writer may be in flight, in milliseconds
-- ARGV[2]  how long after the begin of a writer readers may use the kept value, in milliseconds
-- returns  the value that a reader finds now, as in read.lua, or 0 if there is none
-- include writing.lua
return peek(redis.pcall('GET', KEYS[1]), tonumber(ARGV[1]), tonumber(ARGV[2]))
