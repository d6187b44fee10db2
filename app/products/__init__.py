"""Products and deals: the API, the memoized status breakdown, and the one caller of their tables."""
