"""Measurements of all workers of one server, kept in memory that they share. `/metrics` reports them.

`memory` is the shared memory, `instruments` defines counters, gauges and histograms, and `catalogue` lists every metric
of the application. This package imports nothing of the application.
"""
