"""The alert rules, the dashboard and the runbooks in docs/operations/."""
