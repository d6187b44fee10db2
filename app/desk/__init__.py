"""The desk: the pages in the browser. Rendered here, usable without JavaScript, nothing from other hosts."""

from flask import Flask

from app.desk import adding, dashboard, deals, errors, files, signing_in
from app.desk.blueprint import desk

__all__ = ["adding", "dashboard", "deals", "errors", "files", "init_app", "signing_in"]


def init_app(app: Flask) -> None:
    """Give `app` the desk."""
    app.register_blueprint(desk)
