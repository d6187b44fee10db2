"""Fixtures: the system under test of the freshness tests, and its random number generator."""

from tests.freshness.conftest import rng, start_system

__all__ = ["rng", "start_system"]
