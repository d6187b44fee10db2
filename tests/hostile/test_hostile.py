"""Nothing hostile fails, hangs, learns or changes anything, and nothing of it leaves a secret in the log."""

import os
import secrets
import time
from collections.abc import Iterator
from typing import Final

import pytest
from flask import Flask

from local.stack import Stack
from tests.hostile.campaign import ORDINARY, Campaign
from tests.hostile.cast import WORKERS, Scene, scene
from tests.hostile.generator import Generator
from tests.hostile.judge import of_the_log

SHORT: Final = 1_000
LONG: Final = int(os.environ.get("HOSTILE_REQUESTS") or 40_000)
"""HOSTILE_REQUESTS=100000 sends more of them: about five minutes on two idle cores."""

_SEEN: Final = {200, 400, 401, 403, 404, 405, 413, 415, 422}
"""Answers without which the requests were not as varied as they should be."""


@pytest.fixture(scope="module")
def stage(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Return the running app, with sellers in it."""
    with scene(stack, tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture
def generator(stage: Scene, app: Flask) -> Generator:
    """Return the generator; its seed is printed, and HOSTILE_SEED sets it."""
    seed = int(os.environ.get("HOSTILE_SEED") or secrets.randbelow(10**6))
    print(f"HOSTILE_SEED={seed}")  # noqa: T201 - shown when the test fails
    return Generator(seed, stage, app)


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param(SHORT, id="short"),
        pytest.param(LONG, id="long", marks=[pytest.mark.proof, pytest.mark.timeout(3600)]),
    ],
)
def test_no_hostile_request_fails_hangs_learns_or_changes_anything(
    stage: Scene, generator: Generator, requests: int
) -> None:
    """Every answer is in order, the bystanders keep their rows and numbers, the log stays clean."""
    before, began = stage.rows(), time.monotonic()
    tally = Campaign(stage, generator).run(requests)
    print(f"{requests / (time.monotonic() - began):.0f} requests/s; {tally.lines()}")  # noqa: T201
    assert tally.mistakes == []
    assert stage.rows() == before
    assert of_the_log(stage.log.read_text("utf-8"), stage.secrets(), workers=WORKERS) == []
    assert tally.ordinary == -(-requests // ORDINARY)
    assert set(tally.statuses) >= _SEEN
