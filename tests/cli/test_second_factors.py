"""Second factors on the command line: resetting a lost factor, and re-encrypting the secrets of apps with a new server
key.
"""

import pyotp
from sqlalchemy import select

from issue_tracker.actor import Actor, Role
from issue_tracker.auth.factors.totp import begin_totp, confirm_totp, use_totp
from issue_tracker.cli.stored_secrets import has_secrets
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events, factors, recovery_codes, users
from issue_tracker.encryption import Keyring
from issue_tracker.settings import Settings
from tests.processes import run

OLD, NEW = "old-" + "o" * 40, "new-" + "n" * 40


def given_app(database: Database) -> tuple[int, str]:
    """Returns the id of the super admin and the secret of their app, encrypted with the old key."""
    with database.write() as tx:
        row = tx.execute(select(users)).one()
        actor = Actor(row.user_id, row.name, Role.SUPER_ADMIN, "session", "r", fresh_proof=True)
        app = begin_totp(tx, Keyring([OLD]), actor, "App")
        confirm_totp(tx, Keyring([OLD]), actor, app.id, pyotp.TOTP(app.secret).at(now()))
    return row.user_id, app.secret


def test_the_command_line_replaces_keys_and_resets_factors(admin_url: str) -> None:
    database = Database(Settings(database_url=admin_url))
    user_id, secret = given_app(database)
    with database.read() as tx:
        assert has_secrets(tx)
    refused = run("reencrypt", database_url=admin_url, SECRET_KEY=NEW)
    assert (
        refused.returncode == 1
        and f"of the users with these ids were encrypted with another server key: {user_id}." in (refused.stderr)
    )
    assert run("reencrypt", database_url=admin_url, SECRET_KEY=f"{NEW},{OLD}").stdout == "Encrypted 1 secret.\n"
    with database.write() as tx:
        tx.execute(factors.update().values(last_step=0))
        assert not use_totp(tx, Keyring([OLD]), user_id, pyotp.TOTP(secret).at(now()), now())
        assert use_totp(tx, Keyring([NEW]), user_id, pyotp.TOTP(secret).at(now()), now())

    with database.read() as tx:
        email = tx.execute(select(users.c.email)).scalar_one()
    assert run("user", "reset-factors", email, database_url=admin_url).returncode == 2
    done = run("user", "reset-factors", email, "--reason", "Lost the telephone", database_url=admin_url)
    assert done.stdout == f"The second factors of {email} have been removed.\n"
    with database.read() as tx:
        assert not tx.execute(select(factors)).all() and not tx.execute(select(recovery_codes)).all()
        assert tx.execute(select(users.c.has_factor)).scalar_one() is False
        event = tx.execute(select(events).where(events.c.type == "factor.reset")).one()
    assert (event.channel, event.to_value, event.note) == ("cli", email, "Lost the telephone")
    database.close()
