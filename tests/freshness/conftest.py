"""Fixtures of the freshness tests: the system under test and a seeded random number generator."""

import os
import random
import secrets
from functools import partial
from pathlib import Path

import pytest

from local.stack import Stack
from tests.freshness.system import StartSystem, run_system


@pytest.fixture
def start_system(stack: Stack, tmp_path: Path) -> StartSystem:
    """Return a function that starts the system under test."""
    return partial(run_system, stack, tmp_path)


@pytest.fixture
def rng() -> random.Random:
    """Return the source of all random choices. Its seed is printed; set FRESHNESS_SEED to repeat a run."""
    seed = int(os.environ.get("FRESHNESS_SEED") or secrets.randbelow(10**6))
    print(f"FRESHNESS_SEED={seed}")  # noqa: T201 - shown when the test fails
    return random.Random(seed)  # noqa: S311 - repeatable choices
