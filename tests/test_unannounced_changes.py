"""The repository refuses a change outside of `changing_stats`, so a view without it fails its first test."""

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from flask import Flask

from app.auth import login_required
from app.products.bulk import BulkAction
from app.products.context import caller_repository
from app.products.errors import UnannouncedChangeError
from app.products.repository import Repository
from app.products.schemas import DealFields, ListQuery, NewProduct, ProductFields
from app.products.stats import changing_stats
from config import Settings
from tests.sellers import Seller, running_app

_Change = Callable[[Repository, dict[str, Any]], object]

_CHANGES: Final[dict[str, _Change]] = {
    "create_product": lambda repository, _: repository.create_product(NewProduct(title="Lamp")),
    "update_product": lambda repository, deal: repository.update_product(
        UUID(deal["product_id"]), ProductFields(title="Renamed")
    ),
    "update_deal": lambda repository, deal: repository.update_deal(UUID(deal["id"]), DealFields(moq=7)),
    "delete_deal": lambda repository, deal: repository.delete_deal(UUID(deal["id"]), hard=False),
    "bulk_deals": lambda repository, deal: repository.bulk_deals(
        BulkAction(action="favorite", deal_ids=[UUID(deal["id"])])
    ),
    "change": lambda repository, deal: repository.change("delete_deal", p_deal_id=deal["id"]),
    "import_deals": lambda repository, _: repository.import_deals([{"line": 2, "title": "Chair"}], dry_run=False),
}
_READS: Final = {
    "asin_stats",
    "count_deals",
    "get_batch",
    "get_deal",
    "get_product",
    "list_deals",
    "list_trash",
    "read",
    "require_database",
}


@pytest.fixture
def repository(app: Flask, seller: Seller) -> Repository:
    """Return the repository of a seller with no deals."""
    return Repository(app.extensions["database"], seller.token, seller.id)


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES)
def test_an_unannounced_change_is_refused_and_changes_nothing(
    app: Flask, seller: Seller, repository: Repository, change: _Change
) -> None:
    """The same call inside `changing_stats` is accepted."""
    deal = seller.creates()
    before = seller.lists()
    with app.app_context():
        with pytest.raises(UnannouncedChangeError):
            change(repository, deal)
        assert seller.lists() == before
        with changing_stats(seller.id):
            change(repository, deal)
    assert seller.lists() != before


def test_every_method_of_the_repository_is_known_as_a_read_or_a_change() -> None:
    """A new method fails here until it is added to one of the two lists."""
    methods = {name for name, member in vars(Repository).items() if inspect.isfunction(member) and name[0] != "_"}
    assert methods == _READS | set(_CHANGES)


@pytest.mark.parametrize("announcement", ["none", "of another user", "ended"])
def test_only_an_announcement_for_the_same_user_counts(
    app: Flask, seller: Seller, repository: Repository, announcement: str
) -> None:
    """The announcement must also still be in force."""
    blocks: dict[str, AbstractContextManager[None]] = {
        "none": nullcontext(),
        "of another user": changing_stats(str(uuid4())),
        "ended": nullcontext(),
    }
    with app.app_context():
        if announcement == "ended":
            with changing_stats(seller.id):
                pass
        with blocks[announcement], pytest.raises(UnannouncedChangeError):
            repository.create_product(NewProduct(title="Lamp"))


def test_nested_announcements_are_independent(app: Flask, seller: Seller, repository: Repository) -> None:
    """The end of an inner block does not end the outer one."""
    with app.app_context(), changing_stats(seller.id):
        with changing_stats(str(uuid4())):
            pass
        repository.create_product(NewProduct(title="Lamp"))


def test_a_thread_does_not_inherit_the_announcement(app: Flask, seller: Seller, repository: Repository) -> None:
    """The thread could outlive the block, so its change could come after the invalidation."""
    with app.app_context(), changing_stats(seller.id), ThreadPoolExecutor(1) as thread:
        made = thread.submit(repository.create_product, NewProduct(title="Lamp"))
        with pytest.raises(UnannouncedChangeError):
            made.result()


def test_a_dry_run_needs_no_announcement(repository: Repository) -> None:
    """It changes nothing."""
    assert repository.import_deals([{"line": 2, "title": "Chair"}], dry_run=True).created == 1
    assert repository.list_deals(ListQuery()).items == []


def test_a_view_that_forgets_the_announcement_answers_500(settings: Settings, seller: Seller) -> None:
    """So the first test of such a view fails, even if it does not check the cache."""

    @login_required
    def forgetful() -> dict[str, Any]:
        return caller_repository().create_product(NewProduct(title="Lamp")).deal

    with running_app(settings) as app:
        app.add_url_rule("/forgetful", view_func=forgetful, methods=["POST"])
        answer = app.test_client().post("/forgetful", headers={"Authorization": f"Bearer {seller.token}"})
    assert answer.status_code == 500
    assert seller.lists() == []
