"""Authenticator apps: codes that change every 30 seconds (TOTP, RFC 6238), each of which works once."""

import base64
import hmac
import secrets
from datetime import datetime, timedelta

import msgspec
import pyotp
from sqlalchemy import Connection, delete, insert, select, update

from issue_tracker.actor import Actor, require_fresh_proof
from issue_tracker.auth.factors.stored import Method, added, require_room
from issue_tracker.auth.own_account import lock_self
from issue_tracker.auth.users import User
from issue_tracker.clock import now
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import factors
from issue_tracker.encryption import Keyring, Undecryptable
from issue_tracker.errors import Invalid, NotFound

ISSUER = "Issue Tracker"
"""The name under which the app shows the product."""

DEFAULT_NAME = "Authenticator app"
"""The name of a new app, unless its user chooses another."""

SECRET_BYTES = 20
"""Random bytes of a secret: 160 bits, as many as HMAC-SHA1 has (RFC 4226, section 4)."""

STEP_SECONDS = 30

DRIFT = 1
"""Number of time steps before and after the present one that are accepted, as clocks differ (RFC 6238, 5.2)."""

SET_UP_TIME = timedelta(hours=1)
"""How long the set-up of an app may take until its first code."""


class NewApp(msgspec.Struct, frozen=True):
    """An app that is being set up. The secret is shown until its first code was verified, and never again."""

    id: int
    secret: str
    otpauth_uri: str

    @property
    def qr_code(self) -> str:
        """The address as a QR code for the app's camera: SVG without any style of its own."""
        import segno  # noqa: PLC0415 - few processes ever draw a code

        return segno.make(self.otpauth_uri, error="m").svg_inline(
            svgclass=None, lineclass=None, omitsize=True, border=4, dark="#000", light="#fff"
        )


def begin_totp(tx: Connection, keyring: Keyring, actor: Actor, name: str) -> NewApp:
    """Creates the secret of a new app of the actor; an earlier unverified one becomes invalid.

    Raises Invalid if the user has too many factors or one of that name; ConfirmationRequired; and what `lock_self`
    raises.
    """
    assert actor.user_id is not None, "only a user has factors"
    require_fresh_proof(actor)
    user = lock_self(tx, actor)
    require_room(tx, user.user_id, name)
    tx.execute(delete(factors).where(factors.c.user_id == user.user_id, factors.c.confirmed_at.is_(None)))
    secret = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
    values = {"user_id": user.user_id, "method": Method.TOTP.value, "name": name, "created_at": now()}
    inserted = tx.execute(insert(factors).values(**values, secret=keyring.encrypt(secret)))
    return _new_app(created_id(inserted), secret, user)


def find_new_totp(tx: Connection, keyring: Keyring, user: User, factor_id: int) -> NewApp:
    """Returns an app of the user that still waits for its first code. Raises NotFound, also for one whose secret was
    encrypted with another server key.
    """
    mine = factors.c.id == factor_id, factors.c.user_id == user.user_id, factors.c.method == Method.TOTP.value
    recent = factors.c.confirmed_at.is_(None), factors.c.created_at > now() - SET_UP_TIME
    row = tx.execute(select(factors.c.secret).where(*mine, *recent)).first()
    try:
        secret = None if row is None else keyring.decrypt(row.secret)
    except Undecryptable:
        secret = None
    if secret is None:
        raise NotFound("This app is not waiting for its first code. Start again.")
    return _new_app(factor_id, secret, user)


def confirm_totp(tx: Connection, keyring: Keyring, actor: Actor, factor_id: int, code: str) -> list[str]:
    """Makes the new app a factor of the actor, if `code` is the one that it shows now.

    Returns what `added` returns. Raises NotFound; Invalid for a wrong code, and like `begin_totp`;
    ConfirmationRequired; and what `lock_self` raises.
    """
    assert actor.user_id is not None, "only a user has factors"
    require_fresh_proof(actor)
    user = lock_self(tx, actor)
    app, at = find_new_totp(tx, keyring, user, factor_id), now()
    step = _step_of(app.secret, code, at)
    if step is None:
        raise Invalid.field("code", "is wrong; enter the code that the app shows now")
    name = tx.execute(select(factors.c.name).where(factors.c.id == factor_id)).scalar_one()
    require_room(tx, user.user_id, name)
    values = {"confirmed_at": at, "last_step": step}
    tx.execute(update(factors).where(factors.c.id == factor_id).values(values))
    return added(tx, actor, user.user_id, Method.TOTP, name, at)


def use_totp(tx: Connection, keyring: Keyring, user_id: int, code: str, at: datetime) -> bool:
    """Returns whether an app of the user shows the code at `at`; uses up the code and all earlier ones.

    Of two concurrent uses of the same code, only one succeeds: the row decides, whatever the processes.
    """
    own = factors.c.user_id == user_id, factors.c.method == Method.TOTP.value, factors.c.confirmed_at.is_not(None)
    for row in tx.execute(select(factors.c.id, factors.c.secret).where(*own).order_by(factors.c.id)).all():
        try:
            step = _step_of(keyring.decrypt(row.secret), code, at)
        except Undecryptable:
            continue
        if step is None:
            continue
        unused = factors.c.id == row.id, factors.c.last_step < step
        if tx.execute(update(factors).where(*unused).values(last_step=step, last_used_at=at)).rowcount == 1:
            return True
    return False


def _new_app(factor_id: int, secret: str, user: User) -> NewApp:
    return NewApp(factor_id, secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER))


def _step_of(secret: str, code: str, at: datetime) -> int | None:
    """Returns the time step near `at` with this code. Compares all of them in constant time, even after a match."""
    typed = "".join(code.split()).encode("utf-8", "surrogatepass")
    app, present, found = pyotp.TOTP(secret, interval=STEP_SECONDS), int(at.timestamp()) // STEP_SECONDS, None
    for step in range(present - DRIFT, present + DRIFT + 1):
        if hmac.compare_digest(app.generate_otp(step).encode(), typed):
            found = step
    return found
