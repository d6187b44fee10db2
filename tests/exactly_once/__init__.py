"""Changes with an idempotency key are made once, and changes with If-Match overwrite nothing."""
