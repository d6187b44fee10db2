"""The routes and the token check of the two Flask contenders."""

from collections.abc import Callable
from typing import Any

from flask import Flask, g, request

from benchmarks.contenders import database
from benchmarks.contenders.shared import NotSignedInError, caller

__all__ = ["add_routes"]


def add_routes(app: Flask, stats: Callable[[str], Any], invalidate: Callable[[str], object]) -> None:
    """Serve `stats(user_id)`; a change calls `invalidate(user_id)` afterwards. `g.token` holds the caller's token."""

    def sign_in() -> str:
        user = caller(request.headers.get("Authorization"))
        g.token = user.token
        return user.user_id

    @app.get("/products/stats/asin-status")
    def asin_status() -> Any:  # noqa: ANN401 - JSON
        return stats(sign_in())

    @app.post("/products")
    @app.route("/products/deal/<deal_id>", methods=["PATCH", "DELETE"])
    def change(deal_id: str = "") -> Any:  # noqa: ANN401 - JSON
        user_id = sign_in()
        deal = database.change(request.method, deal_id, request.get_json(silent=True), g.token)
        invalidate(user_id)
        return deal, database.STATUS[request.method]

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    app.register_error_handler(NotSignedInError, lambda _error: ({"detail": "Not signed in."}, 401))
