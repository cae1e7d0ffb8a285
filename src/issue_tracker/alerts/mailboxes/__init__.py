"""Mailboxes that the server polls over IMAP for receivers of e-mail (docs/decisions/0034-mailboxes.md)."""
