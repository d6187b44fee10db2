"""The demo catalogue is loaded by the import function: completely and once, also after an interrupted start."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from local.catalogue import PRODUCTS, demo_rows
from local.demo import create_demo
from local.listings import demo_candidates
from local.processes import wait_until
from local.server import ServerError
from local.supabase import SupabaseServer
from tests.counters.lists import View, list_errors
from tests.counters.oracle import stats

_DEALS = "select d.* from deals d join auth.users u on u.id = d.user_id where u.email like 'demo@%' order by d.id"


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[SupabaseServer]:
    """Return a Supabase that was killed during the demo's import and restarted."""
    server = SupabaseServer(tmp_path / "supabase")
    with server, ThreadPoolExecutor(1) as pool:
        loading = pool.submit(create_demo, server, tmp_path / "logins.json")
        assert wait_until(lambda: bool(server.sql(_DEALS)) or loading.done(), seconds=60)
        assert not loading.done()
        server.kill()
        assert isinstance(loading.exception(timeout=60), httpx.TransportError | ServerError)
    with server:
        assert 0 < len(server.sql(_DEALS)) < len(list(demo_rows()))
        yield server


@pytest.mark.timeout(300)  # it starts Supabase three times and imports the whole demo
def test_an_interrupted_load_is_completed_at_the_next_start_and_never_repeated(
    interrupted: SupabaseServer, tmp_path: Path
) -> None:
    """All rows exist, every tile matches its list, and deals that the seller deletes stay deleted."""
    accounts = create_demo(interrupted, tmp_path / "logins.json")
    deals = interrupted.sql(_DEALS)
    assert len(deals) == len(list(demo_rows()))
    user_id = deals[0]["user_id"]
    several = [upc for upc, number in Counter(one.upc for one in demo_candidates()).items() if number > 1]
    numbers = stats(interrupted.sql, user_id)
    assert (numbers["all"], numbers["needs_selection"]) == (PRODUCTS, len(several))
    assert list_errors(interrupted.sql, user_id, [View(stage="ordered", favorite=True)]) == []
    interrupted.sql("delete from deals where id = $1", deals[0]["id"])
    assert create_demo(interrupted, tmp_path / "logins.json") == accounts
    assert interrupted.sql(_DEALS) == deals[1:]
