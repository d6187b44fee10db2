"""The scripts and the engine with one rule switched off. `test_mutants` shows that each rule is necessary."""

from collections.abc import Callable
from typing import Any, Final

from app.caching.errors import CacheUnavailableError
from app.caching.policy import Policy
from app.caching.protocol import LeaseProtocol
from app.caching.scripts import run
from app.caching.states import NO_WRITER, Replacement, Writer
from tests.caching.state_space import LIFE
from tests.caching.store_model import COMMANDS, LEASE, Command, CommandResult, Entry, Writing, writing

_READ, _BEGIN, _END = (COMMANDS[name] for name in ("read", "begin", "end"))
_LONG: Final = 10**9

# --- Readers.


def fill_without_lease(_entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - ARGV
    """Store the result although the lease is gone."""
    *_, payload, life = arguments
    return 1, Entry(payload, now + life)


def abandon_without_lease(_entry: Entry | None, _now: int, *_arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Delete the entry although the lease is gone."""
    return 1, None


def lease_beside_writers(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Take a lease although writers are in flight."""
    return _READ(None if _in_flight(entry) else entry, now, *arguments)


def use_beyond_overlap(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Use the kept value until the writer's deadline."""
    return _READ(entry, now, *arguments[:-1], _LONG)


def use_while_collecting(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Use a value although readers may have computed newer ones."""
    found = _changed(entry, lambda each: each._replace(use=b"serving") if each.use == b"collecting" else each)
    return _READ(found, now, *arguments)[0], entry


# --- Begin.


def begin_without_announcement(entry: Entry | None, now: int, *_arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Do nothing."""
    return now + LIFE, entry


def begin_without_others(_entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Forget the other writers in flight."""
    return _BEGIN(None, now, *arguments)


def begin_without_closing(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Keep the value although the outcome is unknown."""
    return _BEGIN(entry, now, *arguments[:-1], 0)


def begin_again(entry: Entry | None, now: int, token: bytes, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Keep the value although the writer has begun before."""
    found, life = _in_flight(entry), now + arguments[0]
    if not found or not _listed(entry, token):
        return _BEGIN(entry, now, token, *arguments)
    others = tuple(writer for writer in found.writers if writer[0] != token)
    return life, found._replace(writers=((token, life), *others)).entry()


# --- End.


def end_without_others(entry: Entry | None, _now: int, *_arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Delete the entry although other writers are in flight."""
    return int(entry is not None), None


def end_only_if_listed(entry: Entry | None, now: int, token: bytes, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Do nothing if the writer is not listed."""
    return _END(entry, now, token, *arguments) if _listed(entry, token) else (0, entry)


def end_keeping_leases(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Keep the lease of a reader."""
    return (0, entry) if _starts(entry, LEASE) else _END(entry, now, *arguments)


def end_keeping_values(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Keep a stored value."""
    return (0, entry) if _starts(entry, b"{") else _END(entry, now, *arguments)


def last_end_wins(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Store the value of the last writer that ends, regardless of its version."""
    return _END(_changed(entry, lambda each: each._replace(version=0)), now, *arguments)


def first_end_wins(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Keep the value of the first writer that ends."""
    return _END(_changed(entry, lambda each: each._replace(version=each.version and _LONG)), now, *arguments)


def end_of_lost_writer_stores(entry: Entry | None, now: int, token: bytes, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Store the value although no writer is listed."""
    if len(arguments) > 1 and not _in_flight(entry):
        return 2, Entry(arguments[-1], now + arguments[3])
    return _END(entry, now, token, *arguments)


def end_of_lost_writer_joins(entry: Entry | None, now: int, token: bytes, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Compare the versions although only other writers are listed."""
    if len(arguments) > 1 and not _listed(entry, token):
        entry = _changed(entry, lambda each: each._replace(writers=(*each.writers, (token, arguments[1]))))
    return _END(entry, now, token, *arguments)


def end_of_lost_writer_keeps(entry: Entry | None, now: int, token: bytes, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Keep the value although only other writers are listed."""
    keeps = _in_flight(entry) and not _listed(entry, token)
    return (0, entry) if keeps else _END(entry, now, token, *arguments)


def end_without_value_keeps(entry: Entry | None, now: int, token: bytes, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Keep the value at an end that has none."""
    found = _in_flight(entry)
    if len(arguments) > 1 or not found or not _listed(entry, token):
        return _END(entry, now, token, *arguments)
    left = _without(entry, token)
    return 0, left or (Entry(found.value, found.expires) if found.expires else None)


def end_without_value_reopens(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Forget the value at an end that has none, but let a later end store one."""
    reply, left = _END(entry, now, *arguments)
    return reply, _changed(left, lambda each: each._replace(use=b"collecting"))


def end_keeps_serving(entry: Entry | None, now: int, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Use the value of an end again although readers have computed meanwhile."""
    before, (reply, left) = _in_flight(entry), _END(entry, now, *arguments)
    was_serving = before is not None and before.use == b"serving"
    return reply, _changed(left, lambda each: each._replace(use=b"serving") if was_serving and each.expires else each)


def end_of_any_begin(entry: Entry | None, now: int, token: bytes, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
    """Do not compare the deadline with the one that begin returned."""
    deadline = _listed(entry, token)
    if len(arguments) > 1 and deadline:
        arguments = (arguments[0], deadline, *arguments[2:])
    return _END(entry, now, token, *arguments)


def _ignoring_expired_writers(command: Command) -> Command:
    def ignoring(entry: Entry | None, *arguments: Any) -> CommandResult:  # noqa: ANN401 - same
        return command(_changed(entry, lambda each: each._replace(writers=_alive(each))), *arguments)

    return ignoring


EXPIRED_WRITERS_IGNORED: Final = {name: _ignoring_expired_writers(command) for name, command in COMMANDS.items()}
"""The scripts, which keep the value of the entry after the deadline of a writer."""


def _in_flight(entry: Entry | None) -> Writing | None:
    return writing(entry.content) if entry else None


def _listed(entry: Entry | None, token: bytes) -> int:
    """Return the deadline of a writer in flight; 0 if it is not listed."""
    found = _in_flight(entry)
    return dict(found.writers).get(token, 0) if found else 0


def _alive(found: Writing) -> tuple[tuple[bytes, int], ...]:
    return tuple(writer for writer in found.writers if writer[1])


def _changed(entry: Entry | None, change: Callable[[Writing], Writing]) -> Entry | None:
    """Return the entry with its writers in flight changed; any other entry as it is."""
    found = _in_flight(entry)
    return entry if entry is None or found is None else change(found).entry()


def _without(entry: Entry | None, token: bytes) -> Entry | None:
    """Return the entry without a writer; None if no writer is left."""
    others = [writer for writer in found.writers if writer[0] != token] if (found := _in_flight(entry)) else []
    return _changed(entry, lambda each: each._replace(writers=tuple(others))) if others else None


def _starts(entry: Entry | None, start: bytes) -> bool:
    return bool(entry and entry.content and entry.content.startswith(start))


# --- The engine.


class DropsOwedDeletes(LeaseProtocol):
    """Treats an owed delete as delivered without sending it."""

    def _deliver(self, key: str, token: str) -> bool:  # noqa: ARG002 - same signature
        return True


class OwesNothing(LeaseProtocol):
    """Records no owed delete when an end could not be delivered."""

    def end(self, key: str, writer: Writer = NO_WRITER, value: Replacement | None = None) -> None:  # noqa: ARG002 - same
        """Send the end once."""
        try:
            self.guard.call(run, self._link.send_as_writer, "end", key, writer.token, self._writer_limits[0])
        except CacheUnavailableError:
            return


class AcknowledgesAtOnce(LeaseProtocol):
    """Does not wait until other machines no longer use the value, when an end could not be delivered."""

    def _outlast_overlap(self, writer: Writer) -> None:
        """Do nothing."""


class IgnoresUnknownOutcomes(LeaseProtocol):
    """Keeps the value when the outcome of a write is unknown."""

    def outcome_unknown(self, key: str, writer: Writer) -> None:
        """Do nothing."""


class TrustsEveryBegin(LeaseProtocol):
    """Ends a write with a value even if its begin was not confirmed."""

    def begin(self, key: str) -> Writer:
        """Pretend that Redis confirmed it."""
        writer = super().begin(key)
        return writer if writer.deadline else writer._replace(deadline=LIFE)


class ShowsWhatItComputed(LeaseProtocol):
    """Returns a computed value although other readers still use an older one."""

    def _not_ahead(self, value: Any, reply: object, asked_at: float, policy: Policy[Any]) -> Any:  # noqa: ANN401, ARG002 - same signature
        return value
