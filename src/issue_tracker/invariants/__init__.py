"""Invariants: what must always be true of every database of the product. `checker.check` finds violations."""
