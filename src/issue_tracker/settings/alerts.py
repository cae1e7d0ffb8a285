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
            description="Alerts that are resolved are forgotten when nothing was reported under their key for so many "
            "days, and so are unsorted ones; 0 retains them. Their issues stay.",
        ),
    ] = 90.0
    unsorted_alerts: Annotated[
        int,
        Meta(
            ge=1, description="How many unsorted alerts are listed; the hourly cleanup deletes the oldest beyond that."
        ),
    ] = 10_000
