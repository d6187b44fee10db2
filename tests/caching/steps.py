"""The steps and the effects of stepped threads."""

from typing import Any, NamedTuple


class PendingStep(NamedTuple):
    """A step that a thread is about to take.

    It is a script with its ARGV, `marked?`, `owe`, `ping`, `select`, `commit`, or `outlast`: the writer waits until
    readers no longer use the value that its begin kept.
    """

    name: str
    arguments: tuple[Any, ...] = ()


class CompletedStep(NamedTuple):
    """A completed step and its answer."""

    name: str
    arguments: tuple[Any, ...]
    answer: object


class Effect(NamedTuple):
    """An effect of a thread that is not a step: `mark`, `unmark`, or the end of an operation.

    An operation ends with `answer`, `acknowledge`, `unknown` or `fail`. `value` is a bit mask of the writes that the
    answer shows, or of the write that is acknowledged, or whose outcome is reported as unknown.
    """

    name: str
    thread: str
    value: int = 0
