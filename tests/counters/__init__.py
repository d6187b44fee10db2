"""The counters behind the stats, on PostgreSQL with many sessions and on the embedded one."""
