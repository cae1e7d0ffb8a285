"""Passkeys (WebAuthn): registered for the host of the public URL, and verified for its origin.

The library is imported where it is used, because it takes 6 MB and a third of a second, which servers without passkeys
save.
"""

from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_fresh_proof
from issue_tracker.auth.factors import ceremonies
from issue_tracker.auth.factors.stored import Method, added, require_room
from issue_tracker.auth.own_account import lock_self
from issue_tracker.auth.users import User
from issue_tracker.clock import now
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import factors
from issue_tracker.encryption import Keyring
from issue_tracker.errors import Invalid
from issue_tracker.settings import Settings

Credential = Mapping[str, Any]
"""The browser's result, in the form of `PublicKeyCredential.toJSON()`."""

DEFAULT_NAME = "Passkey"
"""The name of a new passkey, unless its user chooses another."""

TIMEOUT_MILLISECONDS = 120_000
"""How long a browser waits for the authenticator."""

LONGEST_ID = 1023
"""Maximum length of the id of a passkey, in bytes (Web Authentication, section 7.1)."""


class Site(msgspec.Struct, frozen=True):
    """The host for which passkeys are created, and the origin of the pages that use them."""

    host: str
    origin: str


class Ceremony(msgspec.Struct, frozen=True):
    """What a browser needs to create or use a passkey; it returns the challenge with the result."""

    challenge: str
    options: dict[str, Any]


class Copied(Exception):
    """A passkey's counter went back, so the passkey may have been copied. `name` is the name its user chose."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def site_of(settings: Settings) -> Site | None:
    """Returns the site for passkeys; None if browsers do not offer any: on an IP address, and without https except on
    localhost.
    """
    url = urlsplit(settings.public_url)
    host = url.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        secure = url.scheme == "https" or host == "localhost"
        return Site(host, f"{url.scheme}://{url.netloc.lower()}") if secure else None
    return None


def begin_registration(tx: Connection, settings: Settings, keyring: Keyring, user: User) -> Ceremony:
    """Returns what the browser needs to create a passkey of the user. Raises Invalid if passkeys are not available."""
    from webauthn import generate_registration_options  # noqa: PLC0415 - takes 6 MB
    from webauthn.helpers.structs import (  # noqa: PLC0415 - takes 6 MB
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    site = _require_site(settings)
    challenge = ceremonies.new_challenge(keyring, _registration_of(user.user_id), now())
    options = generate_registration_options(
        rp_id=site.host,
        rp_name="Issue Tracker",
        # Not the name, and the same for all passkeys of the user (Web Authentication, section 5.4.3).
        user_id=user.user_id.to_bytes(8),
        user_name=user.email,
        user_display_name=user.name,
        challenge=ceremonies.signed_bytes(challenge),
        timeout=TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=_descriptors(tx, user.user_id),
        supported_pub_key_algs=_algorithms(settings),
    )
    return Ceremony(challenge, _as_json(options))


def register(
    tx: Connection,
    settings: Settings,
    keyring: Keyring,
    actor: Actor,
    challenge: str,
    credential: Credential,
    name: str,
) -> tuple[int, list[str]]:
    """Adds a passkey that a browser has created to the actor's factors. Returns its id, and what `added` returns.

    Raises Invalid for a passkey that was not created for this challenge, user and site, could not be used, or is
    already registered, for a challenge that was used before, and if the user has too many factors or another one with
    that name; ConfirmationRequired; and what `lock_self` raises.
    """
    from webauthn import verify_registration_response  # noqa: PLC0415 - takes 6 MB
    from webauthn.helpers import (  # noqa: PLC0415 - takes 6 MB
        decode_credential_public_key,
        decoded_public_key_to_cryptography,
    )

    assert actor.user_id is not None, "only a user has factors"
    require_fresh_proof(actor)
    site, at = _require_site(settings), now()
    user = lock_self(tx, actor)
    require_room(tx, user.user_id, name)
    if not ceremonies.is_open(keyring, challenge, _registration_of(user.user_id), at):
        raise Invalid("Setting up the passkey took too long. Start again.")
    try:
        made = verify_registration_response(
            credential=dict(credential),
            expected_challenge=ceremonies.signed_bytes(challenge),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            supported_pub_key_algs=_algorithms(settings),
        )
        # The library reads the key only when the passkey is used.
        decoded_public_key_to_cryptography(decode_credential_public_key(made.credential_public_key))
    except Exception as refused:  # for untrusted input, the library raises whatever its parsers raise
        raise Invalid.field("credential", "is not the passkey that was requested here") from refused
    if not ceremonies.spend(tx, challenge):
        raise Invalid("This set-up of a passkey has already been completed. Start again.")
    if len(made.credential_id) > LONGEST_ID:
        raise Invalid.field("credential", f"has an id of more than {LONGEST_ID} bytes")
    values = {
        "user_id": user.user_id,
        "method": Method.PASSKEY.value,
        "name": name,
        "credential_id": made.credential_id,
        "public_key": made.credential_public_key,
        "sign_count": made.sign_count,
        "transports": " ".join(_transports(credential)),
        "created_at": at,
        "confirmed_at": at,
    }
    try:
        with tx.begin_nested():
            inserted = tx.execute(insert(factors).values(values))
    except IntegrityError:
        raise Invalid.field("credential", "is already registered") from None
    return created_id(inserted), added(tx, actor, user.user_id, Method.PASSKEY, name, at)


def begin_use(
    tx: Connection, settings: Settings, challenge: str, user_id: int | None, *, verified: bool = False
) -> Ceremony:
    """Returns what the browser needs to use a passkey: one of the user, or any that it has for this site.

    Without a user, the passkey is the only step, and the authenticator must verify its user; `verified` requires that
    in any case. Raises Invalid if passkeys are not available.
    """
    from webauthn import generate_authentication_options  # noqa: PLC0415 - takes 6 MB
    from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415 - takes 6 MB

    verified = verified or user_id is None
    options = generate_authentication_options(
        rp_id=_require_site(settings).host,
        challenge=ceremonies.signed_bytes(challenge),
        timeout=TIMEOUT_MILLISECONDS,
        allow_credentials=None if user_id is None else _descriptors(tx, user_id),
        user_verification=UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.PREFERRED,
    )
    return Ceremony(challenge, _as_json(options))


def owner_of(tx: Connection, credential: Credential) -> int | None:
    """Returns the id of the user whose passkey the browser claims to have used; None if it is not registered."""
    row = _registered(tx, credential)
    return None if row is None else int(row.user_id)


def use_passkey(
    tx: Connection,
    settings: Settings,
    user_id: int,
    challenge: str,
    credential: Credential,
    at: datetime,
    *,
    alone: bool,
) -> bool:
    """Returns whether a passkey of the user signed the challenge on this site, and records its use.

    With `alone`, the authenticator must have verified its user. Raises Copied if the counter went back.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415 - takes 6 MB

    site, row = site_of(settings), _registered(tx, credential)
    if site is None or row is None or row.user_id != user_id:
        return False
    try:
        used = verify_authentication_response(
            credential=dict(credential),
            expected_challenge=ceremonies.signed_bytes(challenge),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=0,
            require_user_verification=alone,
        )
    except Exception:  # for untrusted input, the library raises whatever its parsers raise
        return False
    if used.new_sign_count <= row.sign_count and (used.new_sign_count or row.sign_count):
        raise Copied(row.name)
    unchanged = factors.c.id == row.id, factors.c.sign_count == row.sign_count
    values = {"sign_count": used.new_sign_count, "last_used_at": at}
    return tx.execute(update(factors).where(*unchanged).values(values)).rowcount == 1


def _algorithms(settings: Settings) -> list[Any]:
    """Returns the algorithms of new passkeys, of which an authenticator takes the first that it supports."""
    # Imported here, because most requests need no passkey.
    from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415 - takes 6 MB

    rsa = [COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256] if settings.rsa_passkeys else []
    return [COSEAlgorithmIdentifier.EDDSA, COSEAlgorithmIdentifier.ECDSA_SHA_256, *rsa]


def _registration_of(user_id: int) -> str:
    """Returns the purpose of a challenge, so that a registration begun for one user is useless to another."""
    return f"registration of {user_id}"


def _require_site(settings: Settings) -> Site:
    site = site_of(settings)
    if site is None:
        raise Invalid("Passkeys need https and a host name in the server's public URL (ISSUE_TRACKER_PUBLIC_URL).")
    return site


def _registered(tx: Connection, credential: Credential) -> Row[Any] | None:
    """Returns the row of the passkey that the browser names; None if it is not registered."""
    from webauthn import base64url_to_bytes  # noqa: PLC0415 - takes 6 MB

    named = credential.get("rawId")
    if not isinstance(named, str) or len(named) > 2000 or not named.isascii():
        return None
    try:
        credential_id = base64url_to_bytes(named)
    except ValueError:
        return None
    return tx.execute(select(factors).where(factors.c.credential_id == credential_id)).first()


def _descriptors(tx: Connection, user_id: int) -> list[Any]:
    """Returns the passkeys of a user in the library's form."""
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor  # noqa: PLC0415 - takes 6 MB

    own = factors.c.user_id == user_id, factors.c.credential_id.is_not(None)
    rows = tx.execute(select(factors.c.credential_id, factors.c.transports).where(*own).order_by(factors.c.id))
    return [
        PublicKeyCredentialDescriptor(
            id=row.credential_id,
            transports=[AuthenticatorTransport(transport) for transport in row.transports.split()],
        )
        for row in rows
    ]


def _transports(credential: Credential) -> list[str]:
    """Returns the transports by which the browser reaches the authenticator, as far as the library knows them."""
    from webauthn.helpers.structs import AuthenticatorTransport  # noqa: PLC0415 - takes 6 MB

    response = credential.get("response")
    named = response.get("transports") if isinstance(response, dict) else None
    known = {transport.value for transport in AuthenticatorTransport}
    return sorted({one for one in named if isinstance(one, str) and one in known}) if isinstance(named, list) else []


def _as_json(options: Any) -> dict[str, Any]:
    from webauthn import options_to_json  # noqa: PLC0415 - takes 6 MB

    return msgspec.json.decode(options_to_json(options), type=dict[str, Any])
