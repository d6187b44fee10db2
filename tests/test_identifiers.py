"""Identifiers stay apart where counters would meet: threads, and processes that were forked from one another."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from app.caching.identifiers import new_identifier
from local import ROOT


def test_threads_never_draw_the_same() -> None:
    """Ten thousand from eight threads are ten thousand different ones."""
    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(lambda _: new_identifier(), range(10_000)))
    assert len(set(drawn)) == len(drawn)


_FORK = """
import os
from app.caching.identifiers import new_identifier
new_identifier()
child = os.fork()
os.write(1, (new_identifier() + "\\n").encode())  # one write, whatever PYTHONUNBUFFERED says
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_process_draws_others_than_its_parent() -> None:
    """As gunicorn's workers do under --preload, which fork after this module was imported."""
    output = subprocess.run([sys.executable, "-c", _FORK], check=True, capture_output=True, text=True, cwd=ROOT).stdout  # noqa: S603 - our own script

    ours, theirs = output.split()
    assert len(ours) == len(theirs) == 24
    assert ours[:16] != theirs[:16]
