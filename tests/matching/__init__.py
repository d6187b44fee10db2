"""Tests of candidates, decisions, merges, matches and the queue over HTTP, on the real servers."""
