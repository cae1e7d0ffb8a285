"""What the server polls for receivers of alerts: status feeds and mailboxes, each by one process at a time."""
