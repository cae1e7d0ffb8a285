"""Settings of `issue-tracker mail`, which receives alerts by email."""

from typing import Annotated

from msgspec import Meta

from issue_tracker.settings.alerts import AlertSettings


class MailSettings(AlertSettings, frozen=True, kw_only=True):
    """The description in `Meta` is the documentation of each setting."""

    mail_host: Annotated[
        str,
        Meta(
            description="The address on which `issue-tracker mail` listens. It has no TLS: only the mail server "
            "should reach it."
        ),
    ] = "127.0.0.1"
    mail_port: Annotated[int, Meta(ge=1, le=65535, description="The port on which `issue-tracker mail` listens.")] = (
        8025
    )
    mail_protocol: Annotated[
        str, Meta(pattern="^(lmtp|smtp)$", description="The protocol of `issue-tracker mail`: `lmtp` or `smtp`.")
    ] = "lmtp"
    mail_domain: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9.-]*$",
            description="The domain in the addresses of receivers of email. By default it is the host of the public "
            "URL.",
        ),
    ] = ""
    mail_bytes: Annotated[
        int,
        Meta(ge=10_000, le=100_000_000, description="The size of an email message in bytes; larger ones are refused."),
    ] = 5_000_000
    mail_connections: Annotated[
        int, Meta(ge=1, le=10_000, description="How many connections `issue-tracker mail` has open at the same time.")
    ] = 50
    mail_metrics_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="The port of the same address on which `issue-tracker mail` serves `/metrics`; 0: none.",
        ),
    ] = 0
