"""ASIN Desk: the sourcing list of Amazon sellers and its status breakdown, cached and never stale."""
