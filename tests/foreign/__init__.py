"""Flask-Caching's and cachelib's own test suites, run against this engine. See `test_suites`."""
