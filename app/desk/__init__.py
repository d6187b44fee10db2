"""The desk: the pages for the browser. They are rendered on the server and also work without JavaScript."""

from flask import Flask

from app.desk import (
    account,
    adding,
    api_docs,
    asins,
    assets,
    batches,
    cache_entries,
    candidates,
    cells,
    deal_list,
    deals,
    deciding,
    errors,
    files,
    importing,
    live,
    matches,
    matching,
    merging,
    operations,
    problem_pages,
    product,
    product_deals,
    queue,
    signing_in,
    signing_up,
    trash,
    work,
)
from app.desk.blueprint import desk

__all__ = [
    "account",
    "adding",
    "api_docs",
    "asins",
    "assets",
    "batches",
    "cache_entries",
    "candidates",
    "cells",
    "deal_list",
    "deals",
    "deciding",
    "errors",
    "files",
    "importing",
    "init_app",
    "live",
    "matches",
    "matching",
    "merging",
    "operations",
    "problem_pages",
    "product",
    "product_deals",
    "queue",
    "signing_in",
    "signing_up",
    "trash",
    "work",
]


def init_app(app: Flask) -> None:
    """Register the desk with `app`."""
    assets.init_app(app)
    app.register_blueprint(desk)
