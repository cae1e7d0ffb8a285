"""Mailboxes that the server polls over IMAP for receivers of email (docs/decisions/0034-mailboxes.md)."""
