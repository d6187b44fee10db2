"""Measurements of all workers."""
