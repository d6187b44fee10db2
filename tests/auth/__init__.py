"""Tests of identity: keys, tokens, and who is calling."""
