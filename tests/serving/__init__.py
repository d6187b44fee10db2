"""Tests of the gunicorn worker with raw sockets."""
