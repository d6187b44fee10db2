"""Workers die and answers are lost, and the client repeats each request until it is answered. Each change is made once.

A trigger records each write of a deal, so that a change that is made twice is seen even if its result is the same.
"""

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest

from local.processes import wait_until
from local.supabase import SupabaseServer
from tests.freshness.load import Reply, send_request
from tests.freshness.system import StartSystem, System
from tests.freshness.variants import KILL_HEADER
from tests.proxy import Fault
from tests.sellers import Seller

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

_SELLERS: Final = 3
_DEALS: Final = 8  # per seller
_KILLS: Final = 6
_ATTEMPTS: Final = 60  # per request

_RECORD: Final = """
create schema proof;
create table proof.writes (operation text, user_id uuid, title text, notes text, active boolean);
create function proof.record() returns trigger language plpgsql security definer as $$
begin
    insert into proof.writes
    select tg_op, d.user_id, d.title_key, d.notes, d.active from (select (coalesce(new, old)).*) d;
    return null;
end
$$;
create trigger proof_record after insert or update or delete on public.deals
    for each row execute function proof.record();
"""
_FORGET: Final = "drop schema proof cascade"


@dataclass(frozen=True, slots=True)
class Change:
    """A request with its key."""

    method: str
    path: str
    body: Any
    key: str


@contextmanager
def _recorded(supabase: SupabaseServer) -> Iterator[None]:
    """Record the writes of deals inside the block."""
    supabase.sql(_RECORD)
    try:
        yield
    finally:
        supabase.sql(_FORGET)


class Client:
    """A client that repeats each request until it is answered, as the API advises. Some requests kill their worker."""

    def __init__(self, system: System, seller: Seller, rng: random.Random, kills: Iterator[int]) -> None:
        """Make requests as `seller`. Each number from `kills` allows one request to kill its worker."""
        self._port, self._token, self._rng, self._kills = system.server.port, seller.token, rng, kills
        self.attempts = 0
        self.lost = Counter[int]()

    def sends(self, change: Change) -> Reply:
        """Send the request twice at once, and repeat it until both were answered. Return the answer."""
        with ThreadPoolExecutor(2) as threads:
            answers = [done.result() for done in [threads.submit(self._repeats, change) for _ in range(2)]]
        # The document tells a deal that was created from one that was found.
        assert answers[0].status == answers[1].status, answers
        assert answers[0].document == answers[1].document
        return answers[0]

    def _repeats(self, change: Change) -> Reply:
        for _ in range(_ATTEMPTS):
            headers = {"Idempotency-Key": f'"{change.key}"'}
            if self._rng.random() < 0.3 and next(self._kills, None) is not None:
                headers[KILL_HEADER] = "1"
            self.attempts += 1
            answer = send_request(self._port, self._token, change.method, change.path, change.body, **headers)
            if answer.status in {200, 201, 204}:
                return answer
            assert answer.status in {0, 503}, answer
            if answer.status == 503 and "may have happened" in answer.document["detail"]:
                assert "with the same Idempotency-Key" in answer.document["detail"]
            self.lost[answer.status] += 1
        raise AssertionError(f"no answer in {_ATTEMPTS} attempts")


def _works(client: Client, name: str) -> None:
    """Create deals, change each of them twice, and delete each of them."""
    for number in range(_DEALS):
        title = f"{name} {number}"
        made = client.sends(Change("POST", "/products", {"title": title}, f"create {title}".replace(" ", "-")))
        assert made.status == 201, "the deal was made twice"
        path = f"/products/deal/{made.document['id']}"
        for notes in ("first", "second"):
            change = Change("PATCH", path, {"notes": notes}, f"{notes} {title}".replace(" ", "-"))
            assert client.sends(change).document["notes"] == notes
        ids = {"action": "delete", "deal_ids": [made.document["id"]]}
        assert (
            client.sends(Change("POST", "/products/bulk-action", ids, f"delete {title}".replace(" ", "-"))).status
            == 200
        )


@contextmanager
def _losing_answers(system: System, rng: random.Random) -> Iterator[Counter[str]]:
    """Lose some of the database's answers inside the block, and some requests before they arrive there."""
    assert system.proxy
    lost, lock = Counter[str](), threading.Lock()

    def answer(true: bytes) -> bytes:
        with lock:
            if b'"version"' not in true or rng.random() > 0.25:
                return true
            lost["answers"] += 1
        return b""

    system.proxy.fault = Fault(answer)
    try:
        yield lost
    finally:
        system.proxy.fault = None


def test_each_change_is_made_once(start_system: StartSystem, rng: random.Random) -> None:
    """However often it is sent, by two requests at once, with workers killed and answers lost after the commit."""
    with (
        start_system("ours", proxied=True) as system,
        system.sellers(_SELLERS) as sellers,
        _recorded(system.supabase),
    ):
        kills = iter(range(_KILLS))
        clients = [Client(system, seller, random.Random(rng.random()), kills) for seller in sellers]  # noqa: S311
        with _losing_answers(system, rng) as lost, ThreadPoolExecutor(_SELLERS) as threads:
            for done in [threads.submit(_works, client, f"s{place}") for place, client in enumerate(clients)]:
                done.result()
        writes = system.supabase.sql(
            "select operation, title, notes, active, count(*)::int as n from proof.writes group by 1, 2, 3, 4"
        )
    assert next(kills, None) is None, "not every worker was killed"
    assert lost["answers"] > 10
    print(f"attempts {[each.attempts for each in clients]}, {lost}, {[each.lost for each in clients]}")  # noqa: T201
    assert Counter(row["n"] for row in writes) == {1: _SELLERS * _DEALS * 4}, writes


def test_the_count_detects_changes_without_a_key(start_system: StartSystem, rng: random.Random) -> None:
    """Proves that the test can fail: without a key, a repeated change is made again."""
    with start_system("ours", proxied=True) as system, system.sellers(1) as sellers, _recorded(system.supabase):
        deal = sellers[0].creates()
        path, numbers = f"/products/deal/{deal['id']}", itertools.count()
        with _losing_answers(system, rng) as lost:

            def repeats() -> bool:
                next(numbers)
                sent = send_request(system.server.port, sellers[0].token, "PATCH", path, {"notes": "x"})
                assert sent.status == 200 or "may have happened" in sent.document["detail"]
                return lost["answers"] > 0

            assert wait_until(repeats, seconds=30)
        found = system.supabase.sql("select count(*)::int as n from proof.writes where operation = 'UPDATE'")
    assert found == [{"n": next(numbers)}]
