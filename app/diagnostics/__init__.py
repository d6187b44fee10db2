"""Diagnostics: a user's cache status, the operators' Redis report, liveness, readiness and metrics."""

from flask import Flask

from app.diagnostics import metrics, views
from app.diagnostics.blueprint import diagnostics

__all__ = ["init_app", "metrics", "views"]


def init_app(app: Flask) -> None:
    """Give `app` the diagnostics."""
    app.register_blueprint(diagnostics)
