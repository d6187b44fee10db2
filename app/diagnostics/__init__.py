"""Diagnostics: a user's cache status, the operators' Redis report, liveness and readiness."""
