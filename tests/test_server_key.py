"""The server key: generated unless one is provided, private, shared by all servers, never shown (decision 0022)."""

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from issue_tracker.database.engine import Database
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import server_key
from issue_tracker.encryption import Keyring, Undecryptable, generate_key, split_keys
from issue_tracker.errors import Unavailable
from issue_tracker.settings import Settings, SettingsError, load
from tests.engines import decided_in_python
from tests.processes import run, serve
from tests.world import World

OLD, NEW = "old-" + "o" * 40, "new-" + "n" * 40


def keyring(url: str, **settings: str) -> Keyring:
    """Returns the keys that a new process with these settings finds."""
    loaded = Settings(database_url=url, **settings)  # type: ignore[arg-type]  # settings as text, as in the environment
    database = Database(loaded)
    try:
        return ServerKey(database, loaded).keyring()
    finally:
        database.close()


def key_file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///") + "-key")


def test_a_key_is_generated_once_and_shared(migrated_url: str) -> None:
    with ThreadPoolExecutor(8) as together:
        rings = list(together.map(keyring, [migrated_url] * 8))
    sealed = rings[0].encrypt("secret")
    assert "secret" not in sealed
    assert {ring.decrypt(sealed) for ring in [*rings, keyring(migrated_url)]} == {"secret"}
    assert len({ring.sign("flash", "text") for ring in rings}) == 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_file_of_the_key_is_private(migrated_url: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        keyring(migrated_url)
    finally:
        os.umask(before)
    file = key_file(migrated_url)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text().strip()) == 43
    assert [path.name for path in file.parent.iterdir() if "-key" in path.name] == [file.name], "nothing is left over"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_unusable_file_is_reported_and_not_replaced(migrated_url: str) -> None:
    file = key_file(migrated_url)
    file.write_bytes(b"\xff" * 50)
    with pytest.raises(Unavailable) as raised:
        keyring(migrated_url)
    assert str(file) in str(raised.value.reason) and str(file) not in raised.value.detail
    assert file.read_bytes() == b"\xff" * 50


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_nodes_without_a_shared_file_share_the_key_in_the_database(migrated_url: str) -> None:
    first = keyring(migrated_url).encrypt("secret")
    database = Database(Settings(database_url=migrated_url))
    with database.read() as tx:
        (stored,) = tx.execute(select(server_key.c.key)).scalars().all()
    assert Keyring([stored]).decrypt(first) == "secret"
    # With a provided key nothing new is encrypted with the stored one, but existing values can still be decrypted.
    given = keyring(migrated_url, secret_key=NEW)
    assert given.decrypt(first) == "secret" and not given.is_current(first)
    with database.write() as tx:
        tx.execute(delete(server_key))
    database.close()
    with pytest.raises(Undecryptable):
        keyring(migrated_url, secret_key=NEW).decrypt(first)


def test_a_former_key_decrypts_and_the_first_encrypts() -> None:
    old, both, new = Keyring([OLD]), Keyring([NEW, OLD]), Keyring([NEW])
    sealed = old.encrypt("secret ü")
    assert both.decrypt(sealed) == "secret ü" and not both.is_current(sealed)
    resealed = both.encrypt(both.decrypt(sealed))
    assert new.decrypt(resealed) == "secret ü" and both.is_current(resealed)
    with pytest.raises(Undecryptable):
        old.decrypt(resealed)
    other = "B" if resealed[30] == "A" else "A"
    for damaged in (resealed[:-2], resealed[:30] + other + resealed[31:], "", "whsec_x"):
        with pytest.raises(Undecryptable):
            both.decrypt(damaged)


def test_a_signature_is_valid_only_for_its_purpose() -> None:
    ring, signature = Keyring([NEW]), Keyring([NEW]).sign("flash", "ab", "c")
    assert ring.verify(signature, "flash", "ab", "c")
    for other in (("flash", "a", "bc"), ("flash", "abc"), ("ab", "flash", "c"), ("flash", "ab", "c", "")):
        assert not ring.verify(signature, *other)
    assert not Keyring([OLD]).verify(signature, "flash", "ab", "c")


def test_keys_are_read_from_the_setting_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{NEW}\n{OLD}\n")
    loaded = load({"ISSUE_TRACKER_SECRET_KEY_FILE": str(file)})
    assert split_keys(loaded.secret_key) == [NEW, OLD]
    assert split_keys(f"{NEW}, {OLD}") == [NEW, OLD] and split_keys("") == []
    assert len(generate_key()) == 43


def test_a_short_key_is_rejected_without_being_shown() -> None:
    with pytest.raises(SettingsError) as raised:
        load({"ISSUE_TRACKER_SECRET_KEY": "hunter2"})
    assert str(raised.value) == "ISSUE_TRACKER_SECRET_KEY is not valid: each key must have at least 32 characters."
    refused = run("migrate", database_url="sqlite:////nowhere", SECRET_KEY=f"{NEW},hunter2")
    assert refused.returncode == 1 and "hunter2" not in refused.stderr and NEW not in refused.stderr


def test_the_key_is_in_no_log(admin_url: str, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with serve(admin_url, log, LOG_LEVEL="debug") as server:
        server.sign_in().call("GET", "/api/issues", 200)
    if admin_url.startswith("sqlite"):
        key = key_file(admin_url).read_text().strip()
    else:
        database = Database(Settings(database_url=admin_url))
        with database.read() as tx:
            key = str(tx.execute(select(server_key.c.key)).scalar_one())
        database.close()
        assert "the key that encrypts secrets is stored in the database itself" in log.read_text()
    assert len(key) == 43 and key not in log.read_text()


@decided_in_python
def test_nobody_waits_for_others_that_wait_for_the_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, available = threading.Event(), threading.Event()

    def find(_: ServerKey) -> list[str]:
        reading.set()
        assert available.wait(30)
        return [NEW]

    monkeypatch.setattr(ServerKey, "_find", find)
    monkeypatch.setattr(world.database, "wait_seconds", 0.05)
    key = ServerKey(world.database, Settings())
    with ThreadPoolExecutor(1) as other:
        first = other.submit(key.keyring)
        assert reading.wait(30)
        releasing = threading.Timer(10, available.set)
        releasing.start()
        with pytest.raises(Unavailable):
            key.keyring()
        releasing.cancel()
        available.set()
        assert first.result() is key.keyring()
