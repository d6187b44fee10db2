"""Sellers at work: threads that create, delete and read over HTTP, and write down what they did and saw."""

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

from local.processes import wait_until
from local.server import LOOPBACK
from tests.freshness.history import Kind, Operation
from tests.freshness.variants import DIE, WORKER
from tests.sellers import STATS, Seller

_TIMEOUT: Final = 30.0  # seconds; nobody should ever wait this long
_KEPT: Final = 4  # products of each writer, about

_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; status 0 when the connection was lost."""

    status: int
    document: Any = None
    note: str = ""


def ask(port: int, token: str, method: str, path: str, body: object = None, **headers: str) -> Reply:
    """Send one request on a connection of its own, so that any worker may get it."""
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
    note = f"{answer.headers.get('Cache-Status', '')} worker {answer.headers.get(WORKER)}"
    return Reply(answer.status, json.loads(text) if text else None, note)


class Load:
    """Writers and readers for each seller, busy inside the `with` block."""

    def __init__(  # noqa: PLR0913 - what tests vary
        self,
        port: int,
        sellers: Sequence[Seller],
        *,
        seed: float,
        writers: int = 2,
        readers: int = 2,
        think: float = 0.04,
        looks: bool = False,
    ) -> None:
        """Describe the load on the app at `port`.

        Args:
            port: of the app.
            sellers: who is at work.
            seed: of all choices.
            writers: threads for each seller that change things, and read after each change.
            readers: threads for each seller that only read.
            think: seconds a writer thinks at most between two changes.
            looks: after a change of unknown outcome look into the list and take what is there for done, as the app
                advises; otherwise repeat the change until it is acknowledged.

        """
        self._port, self._sellers, self._seed = port, sellers, seed
        self._writers, self._readers, self._looks, self.think = writers, readers, looks, think
        self._stop, self._doom, self._open = threading.Event(), threading.Semaphore(0), threading.Event()
        self._open.set()
        self._reads, self._writes = list[Operation](), list[Operation]()
        self._running = dict[int, Operation]()
        self._threads, self._results = ThreadPoolExecutor(len(sellers) * (writers + readers)), list[Future[None]]()

    def __enter__(self) -> Self:
        """Go to work."""
        for number, seller in enumerate(self._sellers):
            writers = [_Writer(self, seller, f"{self._seed}-{number}-{n}") for n in range(self._writers)]
            self._results += [self._threads.submit(writer.work) for writer in writers]
            self._results += [self._threads.submit(self._read_on, seller) for _ in range(self._readers)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop when everybody has finished what they were at."""
        self._stop.set()
        self._open.set()
        self._threads.shutdown()
        for result in self._results:
            result.result()

    def doom(self) -> None:
        """Let the worker of the next change be killed between the commit and the invalidation."""
        self._doom.release()

    @contextmanager
    def only_reads(self) -> Iterator[None]:
        """Let nothing be changed inside the block; inside, no change is under way."""
        self._open.clear()
        assert wait_until(lambda: not self._running, seconds=_TIMEOUT)
        yield
        self._open.set()

    @property
    def history(self) -> list[Operation]:
        """All operations up to now; changes still under way are there as not done.

        Copied in this order: whatever a read here could have seen is then here too.
        """
        reads = list(self._reads)
        running = list(self._running.copy().values())
        return [*reads, *running, *self._writes]

    def pause(self, seconds: float) -> bool:
        """Think for so long; True when it is time to stop."""
        return self._stop.wait(seconds)

    def may_write(self) -> bool:
        """Wait for the end of `only_reads`; False when it is time to stop."""
        return self._open.wait() and not self._stop.is_set()

    def read(self, seller: Seller) -> Operation:
        """Read the numbers and write down what was seen."""
        read = Operation(Kind.READ, seller.id, time.monotonic())
        reply = ask(self._port, seller.token, "GET", STATS)
        seen = reply.document["all"] if reply.status == http.client.OK else None
        read = replace(read, ended=time.monotonic(), status=reply.status, seen=seen, note=reply.note)
        self._reads.append(read)
        return read

    def change(self, kind: Kind, seller: Seller, product: str, request: Sequence[object]) -> Reply:
        """Change something and write it down."""
        headers = {DIE: "yes"} if self._doom.acquire(blocking=False) else {}
        change = Operation(kind, seller.id, time.monotonic(), product=product)
        self._running[id(change)] = change
        method, path, *body = request
        reply = ask(self._port, seller.token, str(method), str(path), *body, **headers)
        self._ended(change, reply)
        return reply

    def confirm(self, kind: Kind, seller: Seller, product: str) -> bool:
        """Look whether a change of unknown outcome has happened; if so it counts as done from now on."""
        if not self._looks:
            return False
        change = Operation(kind, seller.id, time.monotonic(), product=product)
        reply = ask(self._port, seller.token, "GET", f"/products?search={product}")
        happened = reply.status == http.client.OK and bool(reply.document["items"]) is (kind is Kind.CREATE)
        if happened:
            self._ended(change, replace(reply, note=f"seen in the list {reply.note}"))
        return happened

    def _ended(self, change: Operation, reply: Reply) -> None:
        done = reply.status in {200, 201, 204}
        self._writes.append(
            replace(change, ended=time.monotonic(), status=reply.status, done=done, note=reply.note)
        )  # first here, then away from there: `history` must never miss it
        self._running.pop(id(change), None)

    def _read_on(self, seller: Seller) -> None:
        while not self.pause(0.005):
            self.read(seller)


class _Writer:
    """One thread of a seller that creates and deletes, and reads after each change."""

    def __init__(self, load: Load, seller: Seller, seed: str) -> None:
        self._load, self._seller = load, seller
        self._random = random.Random(seed)  # noqa: S311 - repeatable choices
        self._deals = list[tuple[str, str]]()

    def work(self) -> None:
        while not self._load.pause(self._random.uniform(0, self._load.think)) and self._load.may_write():
            if self._deals and self._random.random() * 2 * _KEPT < len(self._deals):
                self._delete(*self._deals.pop(self._random.randrange(len(self._deals))))
            else:
                self._create()
            self._load.read(self._seller)

    def _create(self) -> None:
        """Create a product; one whose first attempt was lost is never deleted: it could come back to life."""
        product = f"B{next(_numbers):09d}"
        request = ("POST", "/products", {"title": "A product", "asin": product})
        reply = self._load.change(Kind.CREATE, self._seller, product, request)
        if reply.status == http.client.CREATED:
            self._deals.append((product, reply.document["id"]))
        else:
            self._insist(Kind.CREATE, product, request)

    def _delete(self, product: str, deal_id: str) -> None:
        request = ("DELETE", f"/products/deal/{deal_id}")
        if self._load.change(Kind.DELETE, self._seller, product, request).status != http.client.NO_CONTENT:
            self._insist(Kind.DELETE, product, request)

    def _insist(self, kind: Kind, product: str, request: Sequence[object]) -> None:
        """Find out what became of a change, by looking or by repeating it, until it is known to have happened."""
        while not self._load.confirm(kind, self._seller, product) and not self._load.pause(0.1):
            if self._load.change(kind, self._seller, product, request).status in {200, 201, 204}:
                return
