"""Giving products their ASINs: candidates, matches, decisions, merges and the queue; see docs/matching.md.

`schemas` has the fields that callers may send, `answers` those of the answers, and `repository` calls the SQL
functions. `rows` judges many decisions at once, and `feed` reads the rows of look-up results. Nothing here knows HTTP.
"""
