"""Tests of the cache engine on real servers."""
