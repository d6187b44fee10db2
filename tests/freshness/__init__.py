"""Freshness tests: under load and faults, no read of the whole product may be older than an acknowledged change."""
