"""Hostile requests: a seeded generator of them, and what must hold for every answer (`make test`, `make proof`)."""
