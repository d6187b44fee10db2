"""Is a read ever older than a change its reader could know of? Measured on the whole product, under load and faults."""
