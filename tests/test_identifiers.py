"""Identifiers are unique across threads and across forked processes."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from app.caching.identifiers import new_identifier
from local import ROOT


def test_threads_draw_unique_identifiers() -> None:
    """Eight threads draw ten thousand different identifiers."""
    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(lambda _: new_identifier(), range(10_000)))
    assert len(set(drawn)) == len(drawn)


_FORK = """
import os
from app.caching.identifiers import new_identifier
new_identifier()
child = os.fork()
os.write(1, (new_identifier() + "\\n").encode())  # one write, independent of PYTHONUNBUFFERED
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_process_draws_other_identifiers_than_its_parent() -> None:
    """With --preload, gunicorn's workers are forked after this module was imported."""
    output = subprocess.run([sys.executable, "-c", _FORK], check=True, capture_output=True, text=True, cwd=ROOT).stdout  # noqa: S603 - our own script

    ours, theirs = output.split()
    assert len(ours) == len(theirs) == 24
    assert ours[:16] != theirs[:16]
