"""Errors of provisioning, in addition to invalid values."""

from issue_tracker.errors import Conflict


class Taken(Conflict):
    """Another user or group has the name or the address already (409, `uniqueness`)."""
