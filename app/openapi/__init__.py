"""The OpenAPI description of the API. It is made from the models and decorators that the routes themselves use."""

from flask import Flask

from app.openapi.document import describe
from app.openapi.operations import Answer, Link, Operation, operation
from app.openapi.views import description

__all__ = ["Answer", "Link", "Operation", "describe", "init_app", "operation"]


def init_app(app: Flask) -> None:
    """Register the description with `app`."""
    app.register_blueprint(description)
