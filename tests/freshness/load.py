"""The load: threads of sellers that create, delete and read over HTTP, and record what they did and saw."""

import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, Self

from app.caching.policy import Timing
from local.processes import wait_until
from local.server import LOOPBACK
from tests.freshness.history import Kind, Operation
from tests.freshness.variants import KILL_HEADER, WORKER_HEADER
from tests.sellers import STATS, Seller

_TIMEOUT: Final = 30.0  # seconds; no request should ever take this long
_KEPT: Final = 4  # approximate number of products that each writer keeps

_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response. Its status is 0 if the connection was lost."""

    status: int
    document: Any = None
    note: str = ""


def send_request(port: int, token: str, method: str, path: str, body: object = None, **headers: str) -> Reply:
    """Send one request over a new connection, so that any worker may receive it."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT)
    headers |= {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (ConnectionError, http.client.HTTPException):
        return Reply(0)
    finally:
        connection.close()
    note = f"{answer.headers.get('Cache-Status', '')} worker {answer.headers.get(WORKER_HEADER)}"
    return Reply(answer.status, json.loads(text) if text else None, note)


class Load:
    """Writers and readers for each seller. They run inside the `with` block."""

    def __init__(  # noqa: PLR0913 - what tests vary
        self,
        port: int,
        sellers: Sequence[Seller],
        *,
        seed: float,
        writers: int = 2,
        readers: int = 2,
        think_time: float = 0.04,
        confirms: bool = False,
    ) -> None:
        """Describe the load on the app at `port`.

        Args:
            port: port of the app.
            sellers: the sellers who make the requests.
            seed: seed of all random choices.
            writers: threads for each seller that make changes, and read after each change.
            readers: threads for each seller that only read.
            think_time: maximum seconds that a writer waits between two changes.
            confirms: whether a writer checks the product list after a change of unknown outcome, as the app advises,
                instead of repeating the change until it is acknowledged.

        """
        self._port, self._sellers, self._seed = port, sellers, seed
        self._writers, self._readers, self._confirms, self.think_time = writers, readers, confirms, think_time
        self._stop, self._pending_kills, self._writing_allowed = (
            threading.Event(),
            threading.Semaphore(0),
            threading.Event(),
        )
        self._writing_allowed.set()
        self._reads, self._writes = list[Operation](), list[Operation]()
        self._running = dict[int, Operation]()
        self._threads, self._results = ThreadPoolExecutor(len(sellers) * (writers + readers)), list[Future[None]]()

    def __enter__(self) -> Self:
        """Start the threads."""
        for number, seller in enumerate(self._sellers):
            writers = [_Writer(self, seller, f"{self._seed}-{number}-{n}") for n in range(self._writers)]
            self._results += [self._threads.submit(writer.work) for writer in writers]
            self._results += [self._threads.submit(self._read_repeatedly, seller) for _ in range(self._readers)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the threads after their current requests. Raise the error of a thread."""
        self._stop.set()
        self._writing_allowed.set()
        self._threads.shutdown()
        for result in self._results:
            result.result()

    def kill_next_writer(self) -> None:
        """Kill the worker that handles the next change, between its commit and the invalidation."""
        self._pending_kills.release()

    @contextmanager
    def only_reads(self) -> Iterator[None]:
        """Wait until no change is in progress, and start none inside the block."""
        self._writing_allowed.clear()
        assert wait_until(lambda: not self._running, seconds=_TIMEOUT)
        yield
        self._writing_allowed.set()

    @property
    def history(self) -> list[Operation]:
        """All operations so far. Changes in progress are included as not done.

        The reads are copied first, so every change that a copied read could show is copied as well.
        """
        reads = list(self._reads)
        running = list(self._running.copy().values())
        return [*reads, *running, *self._writes]

    def pause(self, seconds: float) -> bool:
        """Wait for `seconds`. Return True if the load has been stopped."""
        return self._stop.wait(seconds)

    def may_write(self) -> bool:
        """Wait for the end of `only_reads`. Return False if the load has been stopped."""
        return self._writing_allowed.wait() and not self._stop.is_set()

    def read(self, seller: Seller) -> Operation:
        """Read the stats and record the result."""
        read = Operation(Kind.READ, seller.id, time.monotonic())
        reply = send_request(self._port, seller.token, "GET", STATS)
        seen = reply.document["all"] if reply.status == http.client.OK else None
        read = replace(read, ended=time.monotonic(), status=reply.status, seen=seen, note=reply.note)
        self._reads.append(read)
        return read

    def change(self, kind: Kind, seller: Seller, product: str, request: Sequence[object]) -> Reply:
        """Make a change and record it."""
        headers = {KILL_HEADER: "yes"} if self._pending_kills.acquire(blocking=False) else {}
        change = Operation(kind, seller.id, time.monotonic(), product=product)
        self._running[id(change)] = change
        method, path, *body = request
        reply = send_request(self._port, seller.token, str(method), str(path), *body, **headers)
        self._record(change, reply)
        return reply

    def confirm(self, kind: Kind, seller: Seller, product: str) -> bool:
        """Check whether a change of unknown outcome has happened. If so, record it as done."""
        if not self._confirms or self.pause(Timing().overlap):  # so long may reads show the value from before it
            return False
        change = Operation(kind, seller.id, time.monotonic(), product=product)
        reply = send_request(self._port, seller.token, "GET", f"/products?search={product}")
        happened = reply.status == http.client.OK and bool(reply.document["items"]) is (kind is Kind.CREATE)
        if happened:
            self._record(change, replace(reply, note=f"seen in the list {reply.note}"))
        return happened

    def _record(self, change: Operation, reply: Reply) -> None:
        done = reply.status in {200, 201, 204}
        self._writes.append(
            replace(change, ended=time.monotonic(), status=reply.status, done=done, note=reply.note)
        )  # added before it is removed from `_running`: `history` must always include it
        self._running.pop(id(change), None)

    def _read_repeatedly(self, seller: Seller) -> None:
        while not self.pause(0.005):
            self.read(seller)


class _Writer:
    """A thread of a seller that creates and deletes products, and reads after each change."""

    def __init__(self, load: Load, seller: Seller, seed: str) -> None:
        self._load, self._seller = load, seller
        self._random = random.Random(seed)  # noqa: S311 - repeatable choices
        self._deals = list[tuple[str, str]]()

    def work(self) -> None:
        while not self._load.pause(self._random.uniform(0, self._load.think_time)) and self._load.may_write():
            if self._deals and self._random.random() * 2 * _KEPT < len(self._deals):
                self._delete(*self._deals.pop(self._random.randrange(len(self._deals))))
            else:
                self._create()
            self._load.read(self._seller)

    def _create(self) -> None:
        """Create a product. If the first attempt was lost, never delete it: the lost attempt could create it again."""
        product = f"B{next(_numbers):09d}"
        request = ("POST", "/products", {"title": "A product", "asin": product})
        reply = self._load.change(Kind.CREATE, self._seller, product, request)
        if reply.status == http.client.CREATED:
            self._deals.append((product, reply.document["id"]))
        else:
            self._retry_until_known(Kind.CREATE, product, request)

    def _delete(self, product: str, deal_id: str) -> None:
        request = ("DELETE", f"/products/deal/{deal_id}")
        if self._load.change(Kind.DELETE, self._seller, product, request).status != http.client.NO_CONTENT:
            self._retry_until_known(Kind.DELETE, product, request)

    def _retry_until_known(self, kind: Kind, product: str, request: Sequence[object]) -> None:
        """Check or repeat a change until it is known to have happened."""
        while not self._load.confirm(kind, self._seller, product) and not self._load.pause(0.1):
            if self._load.change(kind, self._seller, product, request).status in {200, 201, 204}:
                return
