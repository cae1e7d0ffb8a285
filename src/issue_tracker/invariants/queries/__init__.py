"""The invariants, each a function that reads a database and returns a sentence for everything that is broken in it."""
