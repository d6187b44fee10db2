"""The desk: the pages for the browser. They are rendered on the server and also work without JavaScript."""

from flask import Flask

from app.desk import adding, api_docs, dashboard, deals, errors, files, problem_pages, signing_in
from app.desk.blueprint import desk

__all__ = ["adding", "api_docs", "dashboard", "deals", "errors", "files", "init_app", "problem_pages", "signing_in"]


def init_app(app: Flask) -> None:
    """Register the desk with `app`."""
    app.register_blueprint(desk)
