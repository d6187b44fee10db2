"""The limit: what a Flask view costs that does nothing. No identity, no hook, no Redis."""

from typing import Final

from flask import Flask, Response

BODY: Final = b'{"all":100,"asin_found":63,"needs_selection":10,"needs_asin":17,"manual_entry":10}\n'

app = Flask(__name__)


@app.get("/products/stats/asin-status")
def asin_status() -> Response:
    """Return always the same bytes."""
    return Response(BODY, mimetype="application/json")


@app.get("/healthz")
def healthz() -> str:
    """Answer."""
    return "ok"
