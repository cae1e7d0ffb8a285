"""A typed client for the Issue Tracker, blocking (`Tracker`) and async (`AsyncTracker`), which retries safely.

with Tracker("https://tracker.example.org", token="itk_…") as tracker:
    tracker.set_status("Network degradation", "Acme Manufacturing", "resolved", note="Line replaced")
"""

from issue_tracker_client.asynchronous import AsyncTracker
from issue_tracker_client.blocking import Tracker
from issue_tracker_client.errors import (
    BadRequest,
    Changed,
    FieldError,
    Forbidden,
    InvalidQuery,
    Misuse,
    NotFound,
    NotSignedIn,
    Refused,
    StillRunning,
    TokenLost,
    TooManyAttempts,
    TrackerError,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from issue_tracker_client.models import (
    Actor,
    Alert,
    Assignment,
    BulkOutcome,
    BulkResult,
    Company,
    Event,
    Issue,
    Listing,
    Owner,
    Reference,
    SignedIn,
    Status,
    Token,
    Update,
    User,
    as_json,
)
from issue_tracker_client.retrying import NEVER, Retries
from issue_tracker_client.reuse import SimilarIssue, Template

__version__ = "0.1.0"
__all__ = [
    "NEVER",
    "Actor",
    "Alert",
    "Assignment",
    "AsyncTracker",
    "BadRequest",
    "BulkOutcome",
    "BulkResult",
    "Changed",
    "Company",
    "Event",
    "FieldError",
    "Forbidden",
    "InvalidQuery",
    "Issue",
    "Listing",
    "Misuse",
    "NotFound",
    "NotSignedIn",
    "Owner",
    "Reference",
    "Refused",
    "Retries",
    "SignedIn",
    "SimilarIssue",
    "Status",
    "StillRunning",
    "Template",
    "Token",
    "TokenLost",
    "TooManyAttempts",
    "Tracker",
    "TrackerError",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "Update",
    "User",
    "as_json",
]
