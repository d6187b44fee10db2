"""The pages that describe the kinds of problems: HTML for browsers, JSON for programs. They need no sign-in."""

from typing import Any

from flask import abort, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app.desk.blueprint import desk
from app.problems import Kind, Problem


@desk.get("/problems")
def problem_kinds() -> ResponseReturnValue:
    """List all kinds of problems."""
    if _prefers_html():
        return _varying(render_template("problems.html", kinds=sorted(Kind, key=lambda kind: (kind.status, kind.slug))))
    return _varying(jsonify(problems=[_document(kind) for kind in Kind]))


@desk.get("/problems/<slug>")
def problem_kind(slug: str) -> ResponseReturnValue:
    """Describe one kind of problem. Its address is the `type` of the problem documents."""
    kind = next((kind for kind in Kind if kind.slug == slug), None)
    if _prefers_html():
        return _varying(render_template("problem.html", kind=kind) if kind else abort(404))
    return _varying(jsonify(_document(kind)) if kind else Problem(Kind.UNKNOWN_ADDRESS).response())


def _document(kind: Kind) -> dict[str, Any]:
    return {
        "type": kind.type,
        "kind": kind.slug,
        "title": kind.title,
        "status": kind.status,
        "meaning": kind.meaning,
    }


def _prefers_html() -> bool:
    """Return whether the Accept header prefers HTML. `*/*`, which programs send, does not."""
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]


def _varying(content: ResponseReturnValue) -> ResponseReturnValue:
    response = make_response(content)
    response.vary.add("Accept")
    return response
