"""The stage of the freshness tests, and the dice."""

import os
import random
import secrets
from functools import partial
from pathlib import Path

import pytest

from local.stack import Stack
from tests.freshness.scene import Stage, scene


@pytest.fixture
def stage(stack: Stack, tmp_path: Path) -> Stage:
    """Return what starts a scene."""
    return partial(scene, stack, tmp_path)


@pytest.fixture
def dice() -> random.Random:
    """Return what decides about everything random; its seed is printed, and FRESHNESS_SEED sets it."""
    seed = int(os.environ.get("FRESHNESS_SEED") or secrets.randbelow(10**6))
    print(f"FRESHNESS_SEED={seed}")  # noqa: T201 - shown when the test fails
    return random.Random(seed)  # noqa: S311 - repeatable choices
