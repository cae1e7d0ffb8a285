"""Issue Tracker: one fault, many affected companies, one status each."""
