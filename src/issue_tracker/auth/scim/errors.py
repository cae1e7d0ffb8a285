"""Errors of provisioning, in addition to invalid values."""

from issue_tracker.errors import Conflict


class Taken(Conflict):
    """Another user or group already has the name or the address (409, `uniqueness`)."""
