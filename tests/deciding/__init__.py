"""Decisions about ASINs: choices, merges, their undo, many at once, and the queue."""
