"""Settings about alerts."""

from typing import Annotated

from msgspec import Meta

from issue_tracker.settings.webhooks import WebhookSettings


class AlertSettings(WebhookSettings, frozen=True, kw_only=True):
    """`Meta.description` is the documentation of each setting."""

    alert_retention_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="Number of days without a report after which resolved and unsorted alerts are deleted; 0 "
            "retains them. Their issues are not deleted.",
        ),
    ] = 90.0
    unsorted_alerts: Annotated[
        int,
        Meta(ge=1, description="How many unsorted alerts are stored; every hour the oldest beyond that are deleted."),
    ] = 10_000
    poll_feeds: Annotated[bool, Meta(description="Whether this server polls the status feeds.")] = True
    feed_allowed_networks: Annotated[
        str,
        Meta(
            description="Networks (CIDRs, comma-separated) in which status feeds may be polled although they are "
            "private, loopback or link-local.",
        ),
    ] = ""
    poll_mailboxes: Annotated[bool, Meta(description="Whether this server polls the mailboxes of receivers.")] = True
    mailbox_allowed_networks: Annotated[
        str,
        Meta(
            description="Networks (CIDRs, comma-separated) in which mailboxes may be polled, and their token endpoints "
            "requested, although they are private, loopback or link-local.",
        ),
    ] = ""
    mailbox_ca_file: Annotated[
        str,
        Meta(
            description="A PEM file with certificate authorities that may sign the certificates of IMAP servers and "
            "of their token endpoints, in addition to the public ones."
        ),
    ] = ""
