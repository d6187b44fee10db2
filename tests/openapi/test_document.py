"""The OpenAPI document describes every route, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.factory import create_app
from app.openapi import describe
from app.openapi.document import path_of
from config import Settings

_NOT_API = {"desk", "description", None}
"""Blueprints without JSON for programs."""


@pytest.fixture(scope="module")
def described() -> Flask:
    """Return an app that uses no server."""
    return create_app(Settings.model_validate({"supabase_url": "https://a.supabase.co", "supabase_key": "publishable"}))


@pytest.fixture(scope="module")
def document(described: Flask) -> dict[str, Any]:
    """Return the document."""
    return describe(described)


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def test_every_route_of_the_api_is_described(described: Flask, document: dict[str, Any]) -> None:
    """With its methods. Pages of the desk and static files are not part of the API."""
    served = {
        (path_of(rule), method.lower())
        for rule in described.url_map.iter_rules()
        if rule.endpoint.rpartition(".")[0] not in _NOT_API and rule.endpoint != "static"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, item in document["paths"].items() for method in item} == served


def test_operation_ids_are_unique_and_links_lead_to_operations(document: dict[str, Any]) -> None:
    """Generated clients name their functions after the ids. A link names an operation and its parameters."""
    ids = [found["operationId"] for found in _operations(document)]
    assert len(ids) == len(set(ids))
    parameters = {
        found["operationId"]: {given["name"] for given in found["parameters"] if "$ref" not in given}
        for found in _operations(document)
    }
    links = [
        link for found in _operations(document) for answer in found["responses"].values()
        for link in answer.get("links", {}).values()
    ]  # fmt: skip
    assert links
    assert [link for link in links if not set(link["parameters"]) <= parameters[link["operationId"]]] == []


def test_routes_state_who_may_call_them(document: dict[str, Any]) -> None:
    """All need a user, except those for probes. Changes with a session cookie need a CSRF token."""
    for path, item in document["paths"].items():
        for method, found in item.items():
            bearer = {"bearer": list[str]()} in found["security"]
            assert bearer or path == "/healthz", path
            csrf = any("csrf" in alternative for alternative in found["security"])
            assert csrf is (method != "get"), path
            assert ("401" in found["responses"]) is (path not in {"/healthz", "/readyz"}), path


def test_every_operation_has_words_for_people(document: dict[str, Any]) -> None:
    """A summary, a known group, and a description of each answer."""
    groups = {tag["name"] for tag in document["tags"]}
    for found in _operations(document):
        assert found["summary"]
        assert set(found["tags"]) <= groups
        assert all(answer["description"] for answer in found["responses"].values())


def test_bodies_and_answers_have_no_defaults(document: dict[str, Any]) -> None:
    """A generated client would send them, and overwrite fields that the caller does not want to change."""
    assert "'default'" not in repr(document["components"]["schemas"])


def test_every_reference_has_a_target(document: dict[str, Any]) -> None:
    """No `$ref` leads nowhere, and no component is unused."""
    used = set(_references(document))
    defined = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "headers", "parameters")
        for name in document["components"][kind]
    }
    assert used == defined


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def test_the_document_is_served_to_anybody(described: Flask) -> None:
    """As JSON, with an entity tag. The second request is answered with 304."""
    client = described.test_client()
    answer = client.get("/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json == describe(described)
    again = client.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
