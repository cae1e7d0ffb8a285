"""Mailboxes are polled over IMAP: each message is processed once, by one process, whatever the server sends."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import select

from issue_tracker.alerts.mailboxes.imap import Session
from issue_tracker.alerts.mailboxes.stored import SCHEDULE, claim_mailbox
from issue_tracker.cli.stored_secrets import has_secrets
from issue_tracker.database.tables import alert_mailboxes
from issue_tracker.outbound.tls import tls_with
from tests.alerts.mail.sending import message
from tests.alerts.mailboxes.server import (
    PASSWORD,
    USER,
    MailServer,
    Poller,
    given_mailbox,
    health,
    mail_server,
    mailbox,
    write_certificate,
)
from tests.alerts.test_alerts import listed, statuses
from tests.engines import decided_in_python
from tests.logged import Logged
from tests.world import World

DOWN = message(Message_ID="<1@monitoring.example>")
UP = message("UP: Line down", Message_ID="<2@monitoring.example>")


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path) as mail:
        yield mail


def test_messages_are_processed_once_and_marked(world: World, mail: MailServer) -> None:
    given_mailbox(world, mail)
    poller = Poller(world, mail)
    old = datetime.now(UTC) - timedelta(days=8)
    mail.deliver(message("DOWN: Old"), at=old)
    mail.deliver(DOWN, message("Out of office", Auto_Submitted="auto-replied"), b"no header at all")
    mail.deliver(message("DOWN: Huge", "x" * 20_000))
    small = Poller(world, mail, mail_bytes=10_000)
    assert health(world)["last_success_at"] is None and small.poll(0) == 1
    assert statuses(world) == {"Contoso": "investigating"} and len(listed(world)) == 1
    assert world.history()[0].channel == "receiver:RMM"
    assert [small.counted(result) for result in ("taken", "ignored", "refused")] == [1, 1, 2]
    # What cannot be processed is flagged for a person, and everything else is read.
    assert mail.count("UNSEEN FLAGGED") == 2 and mail.count("SEEN UNFLAGGED") == 2 and mail.count() == 5
    found = health(world)
    assert found["last_success_at"] and found["failure"] is None and "password" not in found

    assert poller.poll(0.5) == 0, "it is not due yet"
    before = len(world.history())
    assert poller.poll() == 1 and len(world.history()) == before and poller.counted("taken") == 0
    mail.deliver(DOWN, UP)
    assert poller.poll() == 1
    assert (poller.counted("repeated"), poller.counted("taken")) == (1, 1)
    assert statuses(world) == {"Contoso": "resolved"} and mail.count("UNSEEN UNFLAGGED") == 1


@decided_in_python
def test_processed_messages_are_moved(world: World, mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"port": mail.starttls_port, "security": "starttls", "processed_folder": "Verarbeitet für später"}
    given_mailbox(world, mail, **more)
    poller = Poller(world, mail)
    # The messages have no Message-ID, and are equal: their places in the mailbox identify them.
    mail.deliver(message(), message())
    with mail.folder() as person:
        person.store("1", "+FLAGS", r"\Seen")

    # The server is killed after a commit and before the message is moved.
    finish = Session.finish

    def killed(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(Session, "finish", killed)
    poller.poll(0)
    monkeypatch.setattr(Session, "finish", finish)
    assert [alert["count"] for alert in listed(world)] == [1] and mail.count() == 2
    assert poller.poll() == 0 and Poller(world, mail).poll(1.5) == 1, "its claim expires"
    assert [alert["count"] for alert in listed(world)] == [2], "the first message was recognized"
    assert mail.count() == 0 and mail.count(folder='"Verarbeitet f&APw-r sp&AOQ-ter"') == 2


def test_only_one_process_polls_a_mailbox(world: World, mail: MailServer) -> None:
    receiver_id = given_mailbox(world, mail)
    mail.deliver(DOWN)
    now: datetime = world.clock.now()
    with world.database.read() as tx:
        [(_, due_at)] = SCHEDULE.due(tx, now, 4)
        assert has_secrets(tx), "its password"
    with world.database.write() as tx:
        assert claim_mailbox(tx, receiver_id, due_at, now) is not None
    with world.database.write() as tx:
        assert claim_mailbox(tx, receiver_id, due_at, now) is None
    assert Poller(world, mail).poll(0) == 0 and listed(world) == []


def test_mailboxes_are_managed_by_super_admins(world: World, mail: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver_id = given_mailbox(world, mail)
    ada, here = world.client("ada"), f"/api/alert-receivers/{receiver_id}/mailbox"
    good = mailbox(mail)
    for change, field in (
        ({"host": "a/b"}, "host"),
        ({"host": "user@host"}, "host"),
        ({"port": 0}, "port"),
        ({"security": "none"}, "security"),
        ({"username": "a\nb"}, "username"),
        ({"password": "a\r\nLOGOUT"}, "password"),
        ({"processed_folder": "inbox"}, "processed_folder"),
        ({"host": "localhost", "password": None}, "password"),
        ({"port": mail.starttls_port, "security": "starttls", "password": None}, "password"),
    ):
        refused = ada.call("PUT", here, 400, json=good | change)
        assert [error["field"] for error in refused["errors"]] == [field], change
    with world.database.read() as tx:
        stored = tx.execute(select(alert_mailboxes)).one()
    assert PASSWORD not in str(stored) and stored.username == USER
    # The password remains where it was entered for.
    ada.call("PUT", here, 200, json=good | {"password": None, "interval_minutes": 2})
    assert world.history(audit=True)[-1].note == f"{receiver_id}: RMM (mailbox)"
    mail.deliver(DOWN)
    poller = Poller(world, mail)
    assert poller.poll(0) == 1 and statuses(world) == {"Contoso": "investigating"}

    # A private address is refused unless the setting permits it, also for a trial.
    refused = ada.call("POST", f"/api/alert-receivers/{receiver_id}/try-mailbox", 400, json=good)
    assert "not a public address" in refused["detail"] and not refused["detail"].endswith("..")
    monkeypatch.setattr("issue_tracker.alerts.mailboxes.imap.networks", lambda _: [ip_network("127.0.0.0/8")])
    monkeypatch.setattr("issue_tracker.outbound.streams.public_tls", lambda: tls_with(str(mail.certificate)))
    mail.deliver(UP)
    tried = ada.call("POST", f"/api/alert-receivers/{receiver_id}/try-mailbox", 200, json=good | {"password": None})
    assert tried == {"waiting": 1} and statuses(world) == {"Contoso": "investigating"}

    # The page signs in before it saves, and never shows the password.
    page = f"/admin/alerts/receivers/{receiver_id}/mailbox"
    typed = {**good, "security": "tls", "folder": "INBOX", "processed_folder": "", "interval_minutes": "2"}
    for change, text in (
        ({"password": "wrong"}, "does not accept the user name and the password"),
        ({"port": "x"}, "ust be a whole number"),
        (
            {"username": "another", "password": ""},
            "entered again, because the server, its port or encryption, the user name",
        ),
    ):
        refused = ada.post(page, data=typed | change)
        assert refused.status_code == 400 and text in refused.text and PASSWORD not in refused.text
    confirmed = {name: value for name, value in typed.items() if name != "password"}
    assert "be entered again" in ada.post(page, data=confirmed).text, "a confirmation drops passwords"
    assert ada.post(page, data=typed | {"interval_minutes": "3"}).status_code == 303
    assert health(world)["interval_minutes"] == 3 and PASSWORD not in ada.get(page).text
    ada.call("PUT", here, 200, json=good | {"interval_minutes": 2})

    other = ada.call("POST", "/api/alert-receivers", 201, json={"name": "P", "kind": "alertmanager"})["id"]
    ada.call("PUT", f"/api/alert-receivers/{other}/mailbox", 400, json=good)
    ada.call("DELETE", f"/api/alert-receivers/{other}/mailbox", 404)
    ada.call("DELETE", f"/api/alert-receivers/{other}", 204)

    ada.call("PUT", f"/api/alert-receivers/{receiver_id}", 200, json={"active": False})
    assert health(world)["next_poll_at"] is None and poller.poll(2) == 0
    ada.call("PUT", f"/api/alert-receivers/{receiver_id}", 200, json={"active": True})
    assert poller.poll(2) == 1
    ada.call("DELETE", here, 204)
    assert health(world) is None and poller.poll(2) == 0
    with world.database.read() as tx:
        assert tx.execute(select(alert_mailboxes)).first() is None


HELLO = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n"
HOSTILE: dict[str, bytes] = {
    "another protocol": b"220 mail.example ESMTP\r\n",
    "nothing": b"",
    "signed in before TLS": b"* PREAUTH welcome\r\n",
    "no TLS": HELLO + b"AAAA1 BAD STARTTLS\r\n" * 10,
    "a long line": b"* OK " + b"x" * 2_000_000,
    "a huge literal": b"* OK {2000000000}\r\n" + b"y" * 100_000,
    "deep": b"* CAPABILITY " + b"(" * 100_000 + b"\r\n",
    "bytes": bytes(range(256)) * 100,
}


@contextmanager
def hostile(content: bytes) -> Iterator[int]:
    """Sends the same bytes to each client, without encryption, and closes the connection. Yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)

        def serve() -> None:
            accepted, _ = listening.accept()
            with closing(accepted), suppress(OSError):  # the client closes the connection early
                accepted.sendall(content)
                accepted.shutdown(socket.SHUT_WR)
                accepted.settimeout(5)
                while accepted.recv(65536):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(20)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_server_that_fails_changes_nothing(
    world: World, mail: MailServer, tmp_path: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver_id = given_mailbox(world, mail)
    poller = Poller(world, mail)
    ada, here = world.client("ada"), f"/api/alert-receivers/{receiver_id}/mailbox"
    failures = 0

    def fails(text: str, *, own: Poller = poller, **change: object) -> None:
        nonlocal failures
        ada.call("PUT", here, 200, json=mailbox(mail) | change)
        assert own.poll(0) == 1
        found = health(world)
        assert text in found["failure"] and len(found["failure"]) <= 300 and found["failures"] == 1, found["failure"]
        assert PASSWORD not in found["failure"]

    fails("does not accept the user name and the password", password="wrong")
    fails("cannot be read", folder="Missing")
    fails("is not a public address", own=Poller(world, mail, mailbox_allowed_networks=""))
    fails("CERTIFICATE_VERIFY_FAILED", own=Poller(world, mail, mailbox_ca_file=""))
    fails("certificate authorities", own=Poller(world, mail, mailbox_ca_file="/nowhere"))
    other, replaced = tmp_path / "other", tmp_path / "authorities.pem"
    other.mkdir()
    replaced.write_bytes(mail.certificate.read_bytes())
    own = Poller(world, mail, mailbox_ca_file=str(replaced))
    ada.call("PUT", here, 200, json=mailbox(mail))
    assert own.poll(0) == 1 and health(world)["failure"] is None
    replaced.write_bytes(write_certificate(other)[0].read_bytes())
    fails("CERTIFICATE_VERIFY_FAILED", own=own)
    for what, content in HOSTILE.items():
        for security in ("starttls", "tls"):
            with hostile(content) as port:
                fails(f"127.0.0.1:{port} cannot be read", port=port, security=security)
                assert "Traceback" not in logged.text, what
    monkeypatch.setattr("issue_tracker.alerts.mailboxes.imap.OVERHEAD_BYTES", -2_000_000)
    fails("sends more than it was requested to", own=Poller(world, mail, mail_bytes=500_000))
    monkeypatch.setattr("issue_tracker.alerts.mailboxes.imap.POLL_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        fails("no response within 0.2 seconds", port=port)
    fails("cannot be read: Connection refused.", port=port)
    monkeypatch.undo()
    assert PASSWORD not in logged.text and "AUTHENTICATE" not in logged.text
    assert listed(world) == []

    # The delay is doubled after each failure. A success ends that.
    assert poller.poll(1) == 0 and poller.poll(1) == 1 and health(world)["failures"] == 2
    ada.call("PUT", here, 200, json=mailbox(mail))
    assert poller.poll(0) == 1 and health(world)["failure"] is None and poller.counted("read", "polls") == 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_poll_is_limited_and_the_next_one_follows_immediately(
    world: World, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver_id = given_mailbox(world, mail)
    mail.deliver(*(message(f"DOWN: Line {number}") for number in range(5)))
    monkeypatch.setattr("issue_tracker.alerts.mailboxes.polling.MOST_MESSAGES", 2)
    poller = Poller(world, mail)
    with monkeypatch.context() as slow:
        slow.setattr("issue_tracker.alerts.mailboxes.imap.ENOUGH_SECONDS", 0)
        assert poller.poll(0) == 1 and listed(world) == [] and health(world)["failure"] is None
    assert [poller.poll(0) for _ in range(4)] == [1, 1, 1, 0] and len(listed(world)) == 5
    # A message that fails in an unforeseen way does not delay the others.
    mail.deliver(DOWN, UP)
    receive = "issue_tracker.alerts.mailboxes.polling.receive_mail"
    monkeypatch.setattr(receive, lambda *_, **__: 1 / 0)
    assert poller.poll() == 1 and poller.counted("refused") == 2 and mail.count("FLAGGED") == 2
    assert health(world)["failure"] is None

    # A poll reads a limited number of bytes, and stops when the receiver is switched off.
    monkeypatch.undo()
    monkeypatch.setattr("issue_tracker.alerts.mailboxes.imap.LARGEST_MESSAGES", 0)
    mail.deliver(*(message(f"DOWN: Wire {number}") for number in range(3)))
    assert poller.poll() == 1 and len(listed(world)) == 6
    size = Session.size

    def switched_off(session: Session, uid: int) -> int | None:
        world.client("ada").call("PUT", f"/api/alert-receivers/{receiver_id}", 200, json={"active": False})
        return size(session, uid)

    monkeypatch.setattr(Session, "size", switched_off)
    assert poller.poll(0) == 1 and len(listed(world)) == 6 and mail.count("UNSEEN UNFLAGGED") == 2
