"""Products and deals: the API, the memoized status breakdown, and the repository that reads and changes the tables."""

from flask import Flask

from app.products import batch_views, file_views, matching_views
from app.products.errors import ProductsError
from app.products.problems import problem_for
from app.products.views import products

__all__ = ["batch_views", "file_views", "init_app", "matching_views"]


def init_app(app: Flask) -> None:
    """Register the products API and the answers to its errors on `app`."""
    app.register_error_handler(ProductsError, lambda error: problem_for(error).response())
    app.register_blueprint(products)
    app.register_blueprint(matching_views.matches)
