"""The gunicorn worker: a thread gets a request only after it has arrived, so slow clients do not occupy threads.

Configured as `worker_class = "app.serving.Worker"` in gunicorn.conf.py; docs/decisions/worker.md gives the reasons. It
knows nothing about the application except the paths listed in `framing`.
"""

from app.serving.worker import Worker

__all__ = ["Worker"]
