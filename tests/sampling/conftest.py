"""Fixtures: an app that compares all hits."""

from collections.abc import Iterator

import pytest
from flask import Flask

from config import Settings
from local.application import AppServer
from local.stack import Stack
from tests.sampling.apps import run_sampling_app


@pytest.fixture(scope="module")
def app_of_module(settings: Settings, stack: Stack, server: AppServer) -> Iterator[Flask]:
    """Return an app in this process that compares all hits."""
    with run_sampling_app(settings, stack, server) as app:
        yield app


@pytest.fixture
def sampling(app_of_module: Flask) -> Flask:
    """Return an app in this process that compares all hits, without samples of earlier tests."""
    app_of_module.extensions["freshness"].stop()
    return app_of_module
