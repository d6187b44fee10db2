"""The upstream test suites of Flask-Caching and cachelib, run against this engine. See `test_suites`."""
