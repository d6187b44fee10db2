"""Conditional requests: entity tags and idempotency keys."""
