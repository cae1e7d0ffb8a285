"""The names of event types for people: in filters, in the choice of a webhook's events, and in sentences."""

from issue_tracker.events.catalog import EventType

TYPE_NAMES = {
    EventType.ISSUE_CREATED: "Issue created",
    EventType.ISSUE_UPDATED: "Issue changed",
    EventType.ISSUE_DELETED: "Issue deleted",
    EventType.ASSIGNMENT_CREATED: "Company added",
    EventType.ASSIGNMENT_STATUS_CHANGED: "Status changed",
    EventType.ASSIGNMENT_UPDATED: "Owner or references of a company changed",
    EventType.ASSIGNMENT_DELETED: "Company removed",
    EventType.UPDATE_CREATED: "Update added",
    EventType.UPDATE_EDITED: "Update edited",
    EventType.UPDATE_DELETED: "Update withdrawn",
    EventType.COMPANY_CREATED: "Company created",
    EventType.COMPANY_UPDATED: "Company changed",
    EventType.COMPANY_DELETED: "Company deleted",
    EventType.COMPANY_GROUP_CREATED: "Company group created",
    EventType.COMPANY_GROUP_UPDATED: "Company group changed",
    EventType.COMPANY_GROUP_DELETED: "Company group deleted",
    EventType.TEMPLATE_CREATED: "Template created",
    EventType.TEMPLATE_UPDATED: "Template changed",
    EventType.TEMPLATE_DELETED: "Template deleted",
    EventType.VIEW_CREATED: "View saved",
    EventType.VIEW_UPDATED: "View changed",
    EventType.VIEW_DELETED: "View deleted",
    EventType.USER_CREATED: "User created",
    EventType.USER_UPDATED: "User changed",
    EventType.USER_INVITED: "User invited",
    EventType.SESSION_CREATED: "Signed in",
    EventType.SESSION_FAILED: "Sign-in failed",
    EventType.SESSION_THROTTLED: "Sign-in refused after too many attempts",
    EventType.SESSION_PROOF_FAILED: "Confirmation failed",
    EventType.SESSION_SECOND_FACTOR_FAILED: "Second step of a sign-in failed",
    EventType.SESSION_ENDED: "Session ended",
    EventType.SETUP_FAILED: "Set-up refused",
    EventType.REQUEST_REFUSED: "Request refused",
    EventType.DATA_EXPORTED: "Data exported",
    EventType.DATA_PRUNED: "Old data deleted",
    EventType.TOKEN_CREATED: "Token created",
    EventType.TOKEN_REFUSED: "Token refused",
    EventType.TOKEN_DELETED: "Token revoked",
    EventType.FACTOR_CREATED: "Second factor added",
    EventType.FACTOR_DELETED: "Second factor removed",
    EventType.FACTOR_CODES_CREATED: "Recovery codes created",
    EventType.FACTOR_RESET: "Second factor reset",
    EventType.IDENTITY_LINKED: "Identity linked",
    EventType.IDENTITY_UNLINKED: "Identity unlinked",
    EventType.GROUP_MAPPING_CREATED: "Group mapping created",
    EventType.GROUP_MAPPING_UPDATED: "Group mapping changed",
    EventType.GROUP_MAPPING_DELETED: "Group mapping deleted",
    EventType.SCIM_GROUP_CREATED: "Group created by SCIM",
    EventType.SCIM_GROUP_UPDATED: "Group changed by SCIM",
    EventType.SCIM_GROUP_DELETED: "Group deleted by SCIM",
    EventType.RECEIVER_CREATED: "Receiver created",
    EventType.RECEIVER_UPDATED: "Receiver changed",
    EventType.RECEIVER_DELETED: "Receiver deleted",
    EventType.ALERT_RULE_CREATED: "Alert rule created",
    EventType.ALERT_RULE_UPDATED: "Alert rule changed",
    EventType.ALERT_RULE_DELETED: "Alert rule deleted",
    EventType.WEBHOOK_CREATED: "Webhook created",
    EventType.WEBHOOK_UPDATED: "Webhook changed",
    EventType.WEBHOOK_DELETED: "Webhook deleted",
    EventType.WEBHOOK_DISABLED: "Webhook switched off",
}

ASSIGNMENT_FIELDS = {
    "owner": "the owner",
    "references": "the references",
    "affected_since": "an earlier start of the outage",
}
"""What an `assignment.updated` changes, by its `field`."""


def name_of(type_: str) -> str:
    """Returns the name of a type, including the types that only messages have: bulk types and `webhook.test`."""
    known = {each.value: name for each, name in TYPE_NAMES.items()}
    if type_ in known:
        return known[type_]
    single = type_.replace(".bulk_", ".")
    if single in known:
        return f"{known[single]} (several in one message)"
    return type_.replace(".", " ").replace("_", " ").capitalize()
