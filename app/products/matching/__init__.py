"""Giving products their ASINs: candidates, matches, decisions, merges and the queue; see docs/matching.md.

`schemas` has the fields that callers may send, and `repository` calls the SQL functions. Nothing here knows HTTP.
"""
