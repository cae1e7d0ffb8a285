"""How single messages are found, moved and identified, and what does not delay the others."""

import imaplib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from imapclient import IMAPClient

from issue_tracker.alerts.mail import operations
from issue_tracker.alerts.mailboxes import polling
from issue_tracker.alerts.mailboxes.stored import ClaimedMailbox
from issue_tracker.alerts.polling import poller
from issue_tracker.errors import Invalid
from tests.alerts.mail.sending import message
from tests.alerts.mailboxes.server import USER, Poller, given_mailbox, health, mail_server, mailbox
from tests.alerts.test_alerts import listed
from tests.waiting import eventually
from tests.world import World


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_messages_are_moved_on_servers_without_extensions(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capable, missing = IMAPClient.has_capability, {"MOVE"}
    monkeypatch.setattr(
        IMAPClient, "has_capability", lambda client, name: name not in missing and capable(client, name)
    )
    with mail_server(tmp_path) as mail:
        given_mailbox(world, mail, folder="Alerts", processed_folder="Done")
        poller = Poller(world, mail)
        with mail.folder() as person:
            person.create("Alerts")
        mail.deliver(message("DOWN: Cable 1"), message("DOWN: Deleted"), folder="Alerts")
        with mail.folder("Alerts") as person:
            person.store("2", "+FLAGS", r"\Deleted")
        assert poller.poll(0) == 1 and [alert["issue"] for alert in listed(world)] == ["Cable 1"]
        assert mail.count(folder="Done") == 1 and mail.count("DELETED", "Alerts") == mail.count(folder="Alerts") == 1
        # Now only all messages that are marked as deleted could be removed, so it remains, and is not processed again.
        missing.add("UIDPLUS")
        mail.deliver(message("DOWN: Cable 2"), folder="Alerts")
        assert [poller.poll(), poller.poll()] == [1, 1] and mail.count(folder="Done") == 2
        assert mail.count("DELETED", "Alerts") == 2 and poller.counted("taken") == 2

        # The numbers of a folder that is created again begin again: an equal message is another one.
        with mail.folder() as person:
            person.delete("Alerts")
            person.create("Alerts")
        mail.deliver(message("DOWN: Cable 1"), folder="Alerts")
        assert poller.poll() == 1 and poller.counted("taken") == 3 and poller.counted("repeated") == 0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_message_that_cannot_be_moved_is_flagged(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = imaplib.IMAP4.error("move failed: [OVERQUOTA] The folder is full")
    with mail_server(tmp_path) as mail:
        given_mailbox(world, mail, processed_folder="Done")
        poller = Poller(world, mail)
        mail.deliver(message("DOWN: Cable 1"), message("DOWN: Cable 2"))
        with monkeypatch.context() as full:
            full.setattr(IMAPClient, "move", Mock(side_effect=refused))
            assert poller.poll(0) == 1 and mail.count("FLAGGED") == poller.counted("taken") == 2
        mail.deliver(message("DOWN: Cable 3"))
        assert poller.poll() == 1 and (mail.count(), mail.count(folder="Done")) == (2, 1)
        assert health(world)["failure"] is None and poller.counted("repeated") == 0

        # A person has them moved when there is room.
        with mail.folder() as person:
            person.store("1:2", "-FLAGS", r"\Flagged")
        assert poller.poll() == 1 and (mail.count(), mail.count(folder="Done")) == (0, 3)
        assert (poller.counted("taken"), poller.counted("repeated")) == (3, 2)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_message_that_the_server_does_not_return_is_flagged(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, broken = IMAPClient.fetch, 0

    def withheld(client: IMAPClient, messages: list[int], data: list[str]) -> object:
        if messages[0] == broken and "BODY" in data[0]:
            client.noop()  # the connection is usable
            raise imaplib.IMAP4.error("fetch failed: [SERVERBUG] Corrupt message")
        return fetch(client, messages, data)

    monkeypatch.setattr(IMAPClient, "fetch", withheld)
    with mail_server(tmp_path) as mail:
        given_mailbox(world, mail)
        poller = Poller(world, mail)
        mail.deliver(message("DOWN: Cable 1"))
        with mail.folder() as person:
            broken = int(person.uid("SEARCH", "ALL")[1][0])
        # It is the only one, so the server may only be overloaded.
        assert poller.poll(0) == 1 and mail.count("FLAGGED") == 0
        found = health(world)
        reason = "does not return a message (fetch failed: [SERVERBUG] Corrupt message)."
        assert found["failures"] == 1 and found["failure"] == f"127.0.0.1:{mail.tls_port} {reason}"
        mail.deliver(message("DOWN: Cable 2"))
        assert poller.poll(2) == 1 and [alert["issue"] for alert in listed(world)] == ["Cable 2"]
        assert mail.count("FLAGGED UNSEEN") == 1 and health(world)["failure"] is None
        assert (poller.counted("refused"), poller.counted("taken")) == (1, 1)

        # A concurrent change may be the reason why a message cannot be stored, so it is tried twice.
        receive, failures = operations.receive_mail, [Invalid("changed")]

        def failing(*given: Any, **named: Any) -> Any:
            if failures:
                raise failures.pop()
            return receive(*given, **named)

        monkeypatch.setattr(polling, "receive_mail", failing)
        mail.deliver(message("DOWN: Cable 3"))
        assert poller.poll() == 1 and poller.counted("taken") == 2 and failures == []

        # A person has it processed again, and no other message follows.
        with mail.folder() as person:
            person.uid("STORE", str(broken), "-FLAGS", r"\Flagged")
        assert [poller.poll(minutes) for minutes in (1, 2, 4)] == [1, 1, 1] and mail.count("FLAGGED") == 0
        assert poller.poll(8) == 1 and mail.count("FLAGGED") == 1 and health(world)["failure"] is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_polling_goes_on_after_an_unforeseen_failure(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller, "INTERVAL_SECONDS", 0.05)
    with mail_server(tmp_path) as mail:
        given_mailbox(world, mail)
        mail.deliver(message("DOWN: Cable"))
        failing = Poller(world, mail, poll_mailboxes=True)
        claim, failed = failing.polls.claim, threading.Event()

        def failing_once(*given: Any) -> ClaimedMailbox | None:
            if not failed.is_set():
                failed.set()
                raise LookupError
            return claim(*given)

        monkeypatch.setattr(failing.polls, "claim", failing_once)
        thread = threading.Thread(target=failing.polling.run, daemon=True)
        thread.start()
        try:
            eventually(lambda: failing.counted("taken") == 1)
        finally:
            failing.polling.close()
            thread.join(20)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_precedes_the_encryption_is_discarded(world: World, tmp_path: Path) -> None:
    """Somebody between the two adds a response, which the server would have sent after the user has signed in."""
    with mail_server(tmp_path) as mail, injecting(mail.starttls_port, b"* BYE injected\r\n") as port:
        given_mailbox(world, mail, port=port, security="starttls")
        mail.deliver(message("DOWN: Cable"))
        own = Poller(world, mail)
        assert own.poll(0) == 1 and own.counted("taken") == 1 and health(world)["failure"] is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_reason_of_a_failed_sign_in_is_reported(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tmp_path) as mail:
        receiver_id = given_mailbox(world, mail)
        where, own = f"127.0.0.1:{mail.tls_port}", Poller(world, mail)

        def failure(command: str, error: Exception | None = None, **change: Any) -> Any:
            with monkeypatch.context() as server:
                if error is not None:
                    server.setattr(imaplib.IMAP4, command, Mock(side_effect=error))
                if command == "login":
                    server.setattr(IMAPClient, "has_capability", lambda *_: False)
                path = f"/api/alert-receivers/{receiver_id}/mailbox"
                world.client("ada").call("PUT", path, 200, json=mailbox(mail, **change))
                assert own.poll(0) == 1
                if error is not None and command == "login":
                    getattr(imaplib.IMAP4, command).assert_called_once_with(USER, change["password"])
            return health(world)["failure"]

        refused = f"{where} does not accept the user name and the password."
        later = f"{where} cannot check the user name and the password at present."
        for error, sentence in (
            (imaplib.IMAP4.error("[AUTHENTICATIONFAILED] no"), refused),
            (
                imaplib.IMAP4.error("[UNAVAILABLE] later"),
                f"{where} cannot check the user name and the password at present.",
            ),
            (imaplib.IMAP4.abort("EOF"), later),
        ):
            assert failure("authenticate", error) == sentence
            assert failure("login", error, password="plain") == sentence
        assert failure("login") == f"{where} accepts only user names and passwords of ASCII characters."


@contextmanager
def injecting(target: int, added: bytes) -> Iterator[int]:
    """Forwards a connection, with `added` after the response to STARTTLS. Yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)

        requested = threading.Event()

        def forward(source: socket.socket, to: socket.socket) -> None:
            with suppress(OSError):
                while content := source.recv(65536):
                    if content.endswith(b" STARTTLS\r\n"):
                        requested.set()
                    elif requested.is_set() and content.endswith(b"\r\n"):
                        requested.clear()
                        content += added
                    to.sendall(content)
                to.shutdown(socket.SHUT_WR)

        def serve() -> None:
            client, _ = listening.accept()
            with client, socket.create_connection(("127.0.0.1", target)) as server:
                back = threading.Thread(target=forward, args=(server, client), daemon=True)
                back.start()
                forward(client, server)
                back.join(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(20)
