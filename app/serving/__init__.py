"""The gunicorn worker: threads see only requests that have arrived, so no slow client can hold one.

`worker_class = "app.serving.Worker"` in gunicorn.conf.py. docs/decisions/worker.md says why. Knows nothing of the
application but the addresses named in `framing`.
"""

from app.serving.worker import Worker

__all__ = ["Worker"]
