"""Reads of the event log and of webhooks.

Only these modules read the tables events, issues, companies and assignments in this package. Every read that can
reveal one of them takes an `actor` or an `access`; what reads for the whole system passes ALL_COMPANIES.
"""
