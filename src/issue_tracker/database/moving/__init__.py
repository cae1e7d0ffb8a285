"""Moving all data: from one database to another, into a file, and back (docs/decisions/0018)."""
