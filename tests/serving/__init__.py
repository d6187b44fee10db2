"""Tests of the worker: real gunicorn, raw sockets."""
