"""ASIN Desk: the sourcing list of Amazon sellers and its status breakdown, memoized and never stale."""
