"""Reads of the event log and of webhooks.

In this package, only these modules read the tables events, issues, companies and assignments. Every read that can
reveal one of them takes an `actor` or an `access`; reads on behalf of the whole system pass ALL_COMPANIES.
"""
