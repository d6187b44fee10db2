"""Pictures of every page of the desk, in every state, for docs/screenshots/. `make screenshots` takes them."""
