"""Access tokens for mailboxes: the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).

Microsoft 365 accepts nothing else from a program that signs in to a mailbox without a person.
"""

from typing import Annotated
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Meta

from issue_tracker.alerts.mailboxes.stored import MailboxSettings
from issue_tracker.alerts.polling.poller import PollFailed, shown
from issue_tracker.names import END
from issue_tracker.outbound.outcomes import Unreachable
from issue_tracker.outbound.tls import tls_with
from issue_tracker.settings import Settings, networks

SECONDS = 10.0
"""Time limit of the request to the token endpoint."""

MOST_BYTES = 64 * 1024
"""Maximum size of the response of a token endpoint."""


class NoToken(PollFailed):
    """The token endpoint did not issue an access token."""


class _Granted(msgspec.Struct):
    # The characters of a bearer token (RFC 6750, 2.1) and others that cannot end the message to the IMAP server.
    access_token: Annotated[str, Meta(pattern=r"^[\x21-\x7e]+" + END)]


class _Refused(msgspec.Struct):
    error: str = ""
    error_description: str = ""


def access_token(mailbox: MailboxSettings, secret: str, settings: Settings) -> str:
    """Returns an access token for a mailbox with a `token_url`. `secret` is the client secret. Raises NoToken."""
    from issue_tracker.outbound.requests import fetch  # noqa: PLC0415 - most servers poll no mailbox

    url = mailbox.token_url or ""
    parameters = {"grant_type": "client_credentials", "client_id": mailbox.client_id or "", "client_secret": secret}
    if mailbox.scope is not None:
        parameters["scope"] = mailbox.scope
    where = urlsplit(url).netloc
    try:
        found = fetch(
            "POST",
            url,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
                "User-Agent": "issue-tracker",
            },
            body=urlencode(parameters).encode(),
            seconds=SECONDS,
            most_bytes=MOST_BYTES,
            tls=tls_with(settings.mailbox_ca_file) if settings.mailbox_ca_file else None,
            allowed=networks(settings.mailbox_allowed_networks),
        )
    except Unreachable as failed:
        raise NoToken(f"{where} issues no access token: {failed}.") from None
    except OSError:
        raise NoToken("The file with certificate authorities cannot be read.") from None
    try:
        if found.code == 200:
            return msgspec.json.decode(found.body, type=_Granted).access_token
        refused = msgspec.json.decode(found.body, type=_Refused)
    except (msgspec.DecodeError, ValueError):
        raise NoToken(f"{where} issues no access token: status {found.code}.") from None
    said = f"{refused.error}: {refused.error_description}" if refused.error_description else refused.error
    if secret in said:
        said = refused.error if secret not in refused.error else ""
    text = shown(said)
    raise NoToken(f"{where} issues no access token: status {found.code}{f' ({text})' if text else ''}.")
