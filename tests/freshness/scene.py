"""The whole product for one test: gunicorn with a variant of the app, a Valkey of its own, new sellers."""

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
QUICK: Final = 0.3
"""Redis timeout, seconds, where tests let it run out often."""


class VariantServer(AppServer):
    """gunicorn with a variant of the app."""

    application: ClassVar[str] = "tests.freshness.served:app"


@dataclass(frozen=True, slots=True)
class Scene:
    """What runs: the app, its Redis, its database, and the proxy between the two where there is one."""

    server: VariantServer
    valkey: ValkeyServer
    supabase: SupabaseServer
    proxy: SupabaseProxy | None
    log: Path

    @contextmanager
    def sellers(self, number: int) -> Iterator[list[Seller]]:
        """Sign new sellers up."""
        with ExitStack() as signed_in:
            yield [signed_in.enter_context(new_seller(self.supabase, self.server.url)) for _ in range(number)]


Stage = Callable[..., AbstractContextManager[Scene]]
"""Starts a scene: `stage(variant, fill_delay=…, proxied=…, NAME="value", …)`."""


@contextmanager
def scene(
    stack: Stack,
    directory: Path,
    variant: str,
    *,
    fill_delay: float = 0.0,
    proxied: bool = False,
    **environment: str,
) -> Iterator[Scene]:
    """Run `variant` on the Supabase of `stack` and a Valkey of its own.

    Args:
        stack: lends its Supabase.
        directory: for logs.
        variant: a name from `variants.VARIANTS`.
        fill_delay: seconds between the database's answer to a computation and its storing.
        proxied: whether a proxy stands between the app and Supabase.
        environment: more settings of the app.

    """
    with ExitStack() as running:
        valkey = running.enter_context(ValkeyServer(directory / "valkey"))
        proxy = running.enter_context(SupabaseProxy(stack.supabase.url)) if proxied else None
        settings = {
            "REDIS_URL": valkey.url,
            "REDIS_TIMEOUT": str(QUICK),
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
        yield Scene(server, valkey, stack.supabase, proxy, log)
