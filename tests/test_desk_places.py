"""The places of the navigation: who sees which, and that docs/desk.md lists all."""

import re
from typing import Final

from flask import Flask, url_for

from app.desk.places import PLACES
from local import ROOT
from local.application import AppServer
from tests.sellers import Seller
from tests.visitors import Visitor, new_visitor

_PLACE: Final = re.compile(r'<a href="([^"]+)" data-go="(\w)"')


def test_a_seller_sees_every_place_but_those_of_operators(
    visitor: Visitor, server: AppServer, operator: Seller, app: Flask
) -> None:
    """An operator sees all. A visitor who is not signed in sees none."""
    with app.test_request_context():
        places = {place: url_for(place.endpoint) for place in PLACES}
    ordinary = [(address, place.key) for place, address in places.items() if not place.operators_only]
    assert _PLACE.findall(visitor.opens("/").text) == ordinary
    with new_visitor(server.url) as someone:
        assert _PLACE.findall(someone.opens("/sign-in").text) == []
        someone.signs_in(operator)
        assert len(_PLACE.findall(someone.opens("/").text)) == len(places) > len(ordinary)


def test_the_keys_of_the_places_are_different() -> None:
    """And none of them is `g`, which comes before them."""
    keys = [place.key for place in PLACES]
    assert len({*keys, "g"}) == len(keys) + 1


def test_the_documentation_lists_the_places(app: Flask) -> None:
    """With their addresses and keys, in the order of the navigation."""
    rows = re.findall(
        r"^\| ([^|]+) \| `(/[^`]*)` \| `g` `(\w)` \|", (ROOT / "docs/desk.md").read_text("utf-8"), re.MULTILINE
    )
    with app.test_request_context():
        assert rows == [(place.label, url_for(place.endpoint), place.key) for place in PLACES]
