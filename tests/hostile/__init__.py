"""Fuzz tests with hostile requests: a seeded generator, and an oracle that checks every answer and the log."""
