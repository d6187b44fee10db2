"""Tests of authentication: keys, tokens, sessions and callers."""
