"""An app for the tests of the worker, and a seller with a long list."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.application import AppServer
from local.stack import Stack
from tests.sellers import Seller, all_workers_serve, app_environment, new_seller

_ROWS = 600


@pytest.fixture(scope="module")
def served(stack: Stack, log: Path) -> Iterator[AppServer]:
    """Run the app under gunicorn with two workers, as deployed."""
    with AppServer(app_environment(stack, LOG_LEVEL="INFO"), workers=2, log=log) as running:
        assert all_workers_serve(log, workers=2)
        yield running


@pytest.fixture(scope="module")
def collector(stack: Stack, served: AppServer) -> Iterator[Seller]:
    """Return a seller with a long list. A page of 200 deals does not fit into the socket buffers of a slow reader."""
    with new_seller(stack.supabase, served.url) as someone:
        rows = "".join(f"Item {number},{'n' * 1500}\n" for number in range(_ROWS))
        assert someone.imports(f"Title,Notes\n{rows}")[-1]["done"]
        yield someone
