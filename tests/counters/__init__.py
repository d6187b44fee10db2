"""Tests of the stored counters: on a native PostgreSQL with several sessions, and on the embedded database."""
