"""The secrets of webhooks are stored encrypted, and keys can be replaced (decision 0022)."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select, update
from standardwebhooks import Webhook

from issue_tracker.database.engine import Database
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import server_key, webhooks
from issue_tracker.encryption import Keyring
from issue_tracker.events.delivery import Deliverer
from issue_tracker.events.signing_secrets import encrypt_stored
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.engines import decided_in_python
from tests.events.receiver import Receiver
from tests.processes import run
from tests.server import serving
from tests.world import Clock, World

OLD, NEW = "old-" + "o" * 40, "new-" + "n" * 40


def stored(database: Database) -> Row[Any, Any, Any]:
    with database.read() as tx:
        return tx.execute(select(webhooks.c.secret, webhooks.c.previous_secret, webhooks.c.older_secrets)).one()


def create(client: Client, url: str = "http://192.0.2.1/hook") -> dict[str, str]:
    made: dict[str, str] = client.call("POST", "/api/webhooks", 201, json={"url": url})
    return made


def rotated(client: Client, hook: dict[str, str]) -> str:
    secret: str = client.call("POST", f"/api/webhooks/{hook['id']}/rotate-secret", 200)["secret"]
    return secret


def test_no_secret_is_stored_in_plain_text(world: World) -> None:
    ada = world.client("ada")
    hook = create(ada)
    secrets = [hook["secret"], rotated(ada, hook), rotated(ada, hook)]
    for text in stored(world.database):
        assert text is not None and "whsec_" not in text
        assert not any(secret.removeprefix("whsec_") in text for secret in secrets)


def test_secrets_of_an_earlier_version_are_encrypted_when_a_server_starts(
    migrated_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(database_url=migrated_url, log_level="error", deliver_webhooks=False)
    with serving(settings) as server:
        world = World(server, Clock())
        secret = create(world.client("ada"))["secret"]
        with server.database.write() as tx:
            tx.execute(update(webhooks).values(secret=secret, previous_secret="whsec_b2xk"))
        world.close()
    with serving(settings) as server:
        row = stored(server.database)
        assert not row.secret.startswith("whsec_") and not str(row.previous_secret).startswith("whsec_")
        # Also if only one of them is in plain text. One of another key is reported.
        key = ServerKey(server.database, settings)
        for plain in ("secret", "previous_secret"):
            with server.database.write() as tx:
                tx.execute(update(webhooks).values({plain: "whsec_b2xk"}))
            encrypt_stored(server.database, key)
            assert key.keyring().decrypt(getattr(stored(server.database), plain)) == "whsec_b2xk"
        assert "another server key" not in capsys.readouterr().err
        with server.database.write() as tx:
            tx.execute(update(webhooks).values(secret=Keyring([OLD]).encrypt("whsec_b2xk")))
        encrypt_stored(server.database, key)
        assert "secrets of webhooks were encrypted with another server key" in capsys.readouterr().err


def test_messages_are_signed_with_the_decrypted_secret(world: World, receiver: Receiver, deliverer: Deliverer) -> None:
    ada = world.client("ada")
    hook = create(ada, receiver.url)
    ada.call("POST", f"/api/webhooks/{hook['id']}/test", 202)
    assert deliverer.deliver_due() == 1
    message = receiver.messages[0]
    assert Webhook(hook["secret"]).verify(message.body, message.headers)["type"] == "webhook.test"


def test_a_secret_of_another_key_is_not_used_and_is_logged(
    world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    ada = world.client("ada")
    hook = create(ada, receiver.url)
    with world.database.write() as tx:
        tx.execute(update(webhooks).values(secret="gAAAAAB" + "x" * 100))
    ada.call("POST", f"/api/webhooks/{hook['id']}/test", 202)
    assert deliverer.deliver_due() == 1
    assert receiver.messages == []
    (logged,) = ada.call("GET", f"/api/webhooks/{hook['id']}/deliveries", 200)["items"]
    assert logged["attempts"][0]["error"] == "the secret was encrypted with another server key"


def test_a_key_can_be_replaced(migrated_url: str) -> None:
    settings = {"database_url": migrated_url, "log_level": "error", "deliver_webhooks": False}
    with serving(Settings(**settings)) as server:  # type: ignore[arg-type]  # settings of different types
        world = World(server, Clock())
        ada = world.client("ada")
        hook = create(ada)
        for _ in range(2):
            rotated(ada, hook)
        world.close()
        generated = stored(server.database)

    done = run("reencrypt", database_url=migrated_url, SECRET_KEY=OLD)
    lines = ["Encrypted 3 secrets."]
    database = Database(Settings(database_url=migrated_url))
    if not database.sqlite:
        lines.append("Deleted the key that was stored in the database.")
    assert (done.returncode, done.stdout.splitlines()) == (0, lines), done
    with_old = stored(database)
    assert not set(with_old) & set(generated)
    with database.read() as tx:
        assert tx.execute(select(server_key)).all() == []
    if database.sqlite:
        Path(f"{migrated_url.removeprefix('sqlite:///')}-key").unlink()

    assert run("reencrypt", database_url=migrated_url, SECRET_KEY=f"{NEW},{OLD}").stdout == "Encrypted 3 secrets.\n"
    with_new = stored(database)
    assert run("reencrypt", database_url=migrated_url, SECRET_KEY=NEW).stdout == "Encrypted 0 secrets.\n"
    assert stored(database) == with_new

    refused = run("reencrypt", database_url=migrated_url, SECRET_KEY=OLD)
    assert refused.returncode == 1 and "encrypted with another server key: 1." in refused.stderr
    assert stored(database) == with_new
    database.close()


@decided_in_python
@pytest.mark.parametrize("key", [OLD, NEW])
def test_no_message_of_the_command_contains_the_key(admin_url: str, key: str) -> None:
    done = run("reencrypt", database_url=admin_url, SECRET_KEY=key)
    assert done.returncode == 0 and key not in done.stdout + done.stderr
