"""Diagnostics: a user's cache status, the operators' Redis report, liveness, readiness and metrics."""

from flask import Flask

from app.diagnostics import freshness, metrics, views
from app.diagnostics.gauges import Gauges
from app.diagnostics.views import diagnostics
from app.metrics import publisher

__all__ = ["freshness", "init_app", "metrics", "views"]


def init_app(app: Flask) -> None:
    """Register the diagnostics with `app`."""
    app.register_blueprint(diagnostics)
    gauges = app.extensions["gauges"] = Gauges(app)
    publisher.set_source(gauges.publish)
    freshness.init_app(app)
