"""Products and deals: the API, the memoized status breakdown, and the one caller of their tables."""

from flask import Flask

from app.products import file_views
from app.products.views import products

__all__ = ["file_views", "init_app"]


def init_app(app: Flask) -> None:
    """Give `app` the products API."""
    app.register_blueprint(products)
