"""The limit: a Flask view that does no work. It has no token check, no hooks and no Redis."""

from typing import Final

from flask import Flask, Response

BODY: Final = b'{"all":100,"asin_found":63,"needs_selection":10,"needs_asin":17,"manual_entry":10}\n'

app = Flask(__name__)


@app.get("/products/stats/asin-status")
def asin_status() -> Response:
    """Return constant bytes."""
    return Response(BODY, mimetype="application/json")


@app.get("/healthz")
def healthz() -> str:
    """Return 200."""
    return "ok"
