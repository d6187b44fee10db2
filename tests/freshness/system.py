"""The system under test: gunicorn with a variant of the app, its own Valkey, a Supabase, and new sellers."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from local.application import AppServer
from local.stack import Stack
from local.supabase import SupabaseServer
from local.valkey import ValkeyServer
from tests.proxy import SupabaseProxy
from tests.sellers import Seller, all_workers_serve, app_environment, new_seller

WORKERS: Final = 2
SHORT_TIMEOUT: Final = 0.3
"""Redis timeout in seconds. It is short because it expires often in these tests."""


class VariantServer(AppServer):
    """gunicorn with a variant of the app."""

    application: ClassVar[str] = "tests.freshness.variants:served_app()"


@dataclass(frozen=True, slots=True)
class System:
    """The running servers: the app, its Redis, its database, and the proxy between app and database if there is one."""

    server: VariantServer
    valkey: ValkeyServer
    supabase: SupabaseServer
    proxy: SupabaseProxy | None
    log: Path

    @contextmanager
    def sellers(self, number: int) -> Iterator[list[Seller]]:
        """Sign up new sellers."""
        with ExitStack() as signed_in:
            yield [signed_in.enter_context(new_seller(self.supabase, self.server.url)) for _ in range(number)]


StartSystem = Callable[..., AbstractContextManager[System]]
"""Type of the fixture: `start_system(variant, fill_delay=…, proxied=…, NAME="value", …)` runs a system."""


@contextmanager
def run_system(
    stack: Stack,
    directory: Path,
    variant: str,
    *,
    fill_delay: float = 0.0,
    proxied: bool = False,
    **environment: str,
) -> Iterator[System]:
    """Run `variant` with the Supabase of `stack` and a new Valkey.

    Args:
        stack: the stack whose Supabase is used.
        directory: folder of the logs.
        variant: a name from `variants.VARIANTS`.
        fill_delay: seconds between the database's answer and its storing in the cache.
        proxied: whether the app reaches Supabase through a proxy.
        environment: further settings of the app.

    """
    with ExitStack() as running:
        valkey = running.enter_context(ValkeyServer(directory / "valkey"))
        proxy = running.enter_context(SupabaseProxy(stack.supabase.url)) if proxied else None
        settings = {
            "REDIS_URL": valkey.url,
            "REDIS_TIMEOUT": str(SHORT_TIMEOUT),
            "LOG_LEVEL": "INFO",
            "TEST_VARIANT": variant,
            "TEST_FILL_DELAY": str(fill_delay),
            **({"SUPABASE_URL": proxy.url} if proxy else {}),
            **environment,
        }
        log = directory / "gunicorn.log"
        server = VariantServer(app_environment(stack, **settings), workers=WORKERS, log=log)
        running.enter_context(server)
        if settings["REDIS_URL"]:
            assert all_workers_serve(log, workers=WORKERS)
        yield System(server, valkey, stack.supabase, proxy, log)
