"""Tests of the freshness sampler."""
