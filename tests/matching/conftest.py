"""Fixtures of the tests of matching."""

import pytest

from tests.matching.deciding import Decider
from tests.sellers import Seller


@pytest.fixture
def decider(seller: Seller) -> Decider:
    """Return a new seller who decides about ASINs."""
    return Decider(seller)


@pytest.fixture
def other(other_seller: Seller) -> Decider:
    """Return another new seller who decides about ASINs."""
    return Decider(other_seller)
