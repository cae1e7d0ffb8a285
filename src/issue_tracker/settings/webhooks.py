"""Settings of webhooks."""

from typing import Annotated

from msgspec import Meta

from issue_tracker.settings.single_sign_on import SingleSignOnSettings


class WebhookSettings(SingleSignOnSettings, frozen=True, kw_only=True):
    """`Meta.description` is the documentation of each setting."""

    webhook_allowed_networks: Annotated[
        str,
        Meta(
            description="Networks (CIDRs, comma-separated) that webhooks may reach although they are private, "
            "loopback or link-local.",
        ),
    ] = ""
    webhooks: Annotated[
        int, Meta(ge=0, description="How many webhooks there may be in total; more are refused (400).")
    ] = 100
    webhook_timeout_seconds: Annotated[
        float, Meta(gt=0, le=60, description="How long one attempt to deliver a message may take in total.")
    ] = 10.0
    deliver_webhooks: Annotated[
        bool, Meta(description="Whether `serve` delivers webhook messages; if it does not, run `issue-tracker worker`.")
    ] = True
    delivery_retention_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="Number of days after which finished deliveries are deleted, with their attempts; 0 "
            "retains them.",
        ),
    ] = 90.0
