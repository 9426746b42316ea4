"""Use cases: one use case, one transaction."""
