"""Mailboxes to which the server signs in with OAuth: a token endpoint issues access tokens for a client secret."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from sqlalchemy import select

from issue_tracker.database.tables import alert_mailboxes
from tests.alerts.mail.sending import message
from tests.alerts.mailboxes.server import TOKEN, MailServer, Poller, given_mailbox, health, mail_server, mailbox
from tests.alerts.test_alerts import statuses
from tests.engines import decided_in_python
from tests.logged import Logged
from tests.world import World

pytestmark = decided_in_python

SECRET = "client-secret~with+signs&="
SCOPE = "https://outlook.example/.default"


class TokenEndpoint:
    """A token endpoint. `requests` are the bodies that it received; `answer` is what it responds."""

    def __init__(self, port: int) -> None:
        self.url = f"https://127.0.0.1:{port}/tenant/oauth2/v2.0/token"
        self.requests: list[dict[str, list[str]]] = []
        self.answer: tuple[int, Any] = (200, {"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN})


@contextmanager
def token_endpoint(folder: Path) -> Iterator[TokenEndpoint]:
    """Runs a token endpoint with the certificate of the mail server until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            running.requests.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            code, content = running.answer
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Location", running.url)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        running = TokenEndpoint(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join(20)


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path) as mail:
        yield mail


@pytest.fixture
def endpoint(tmp_path: Path, mail: MailServer) -> Iterator[TokenEndpoint]:
    with token_endpoint(tmp_path) as endpoint:
        yield endpoint


def test_a_mailbox_is_read_with_an_access_token(
    world: World, mail: MailServer, endpoint: TokenEndpoint, logged: Logged
) -> None:
    oauth = {"token_url": endpoint.url, "client_id": "7f1c", "scope": SCOPE, "password": SECRET}
    receiver_id = given_mailbox(world, mail, **oauth)
    ada, here = world.client("ada"), f"/api/alert-receivers/{receiver_id}/mailbox"
    poller = Poller(world, mail)
    mail.deliver(message())
    assert poller.poll(0) == 1 and poller.counted("taken") == 1
    assert statuses(world) == {"Contoso": "investigating"}
    granted = {"grant_type": ["client_credentials"], "client_id": ["7f1c"], "client_secret": [SECRET]}
    assert endpoint.requests == [granted | {"scope": [SCOPE]}]
    found = health(world)
    assert {name: found[name] for name in oauth if name != "password"} == {
        name: value for name, value in oauth.items() if name != "password"
    }
    with world.database.read() as tx:
        assert SECRET not in str(tx.execute(select(alert_mailboxes)).one())

    # Only the endpoint for which it was entered gets the secret.
    good = mailbox(mail, **oauth)
    elsewhere: dict[str, Any] = {"token_url": "https://attacker.example/token", "password": None}
    for change, field in (
        (elsewhere, "password"),
        ({"client_id": "another", "password": None}, "password"),
        ({"token_url": None, "client_id": None, "scope": None, "password": None}, "password"),
        ({"token_url": "http://127.0.0.1/token"}, "token_url"),
        ({"token_url": "https://user@127.0.0.1/token"}, "token_url"),
        ({"token_url": None}, "token_url"),
        ({"token_url": None, "client_id": None}, "token_url"),
        ({"client_id": None}, "client_id"),
        ({"client_id": "a\r\nb"}, "client_id"),
    ):
        refused = ada.call("PUT", here, 400, json=good | change)
        assert [error["field"] for error in refused["errors"]] == [field], change
    ada.call("PUT", here, 200, json=good | {"password": None, "scope": None})
    assert poller.poll() == 1 and endpoint.requests[-1] == granted and health(world)["failure"] is None

    # Whatever goes wrong has a reason, which never contains the secret or the token.
    quoted = {"error": "invalid_client", "error_description": f"The secret {SECRET} is wrong."}
    expired = {"error": "invalid_client", "error_description": "AADSTS7000222: The secret has\x1b expired."}
    for answer, reason in (
        (
            (401, expired),
            "issues no access token: status 401 (invalid_client: AADSTS7000222: The secret has expired.).",
        ),
        ((400, quoted), "status 400 (invalid_client)."),
        ((302, b""), "status 302."),
        ((200, b"<html>"), "status 200."),
        ((200, {"access_token": f"{TOKEN}\x01\r\nA LOGOUT"}), "status 200."),
        ((200, {"access_token": 7}), "status 200."),
        ((200, b"[" * 100_000), "the response has more than 65,536 bytes."),
        ((200, {"access_token": "another"}), "does not accept the user name and the access token."),
    ):
        endpoint.answer = answer
        ada.call("PUT", here, 200, json=good)
        assert poller.poll(0) == 1
        assert reason in health(world)["failure"], health(world)["failure"]
    ada.call("PUT", here, 200, json=good)
    assert Poller(world, mail, mailbox_allowed_networks="").poll(0) == 1
    assert "issues no access token: 127.0.0.1 is not a public address" in health(world)["failure"]
    assert "Traceback" not in logged.text
    assert not any(secret in logged.text + str(health(world)) for secret in (SECRET, TOKEN))

    # The page tries the endpoint, which is not permitted here, before it saves; and the password can return.
    page = f"/admin/alerts/receivers/{receiver_id}/mailbox"
    typed = {**good, "security": "tls", "folder": "INBOX", "processed_folder": "", "interval_minutes": "1"}
    refused = ada.post(page, data=typed)
    assert refused.status_code == 400 and "Token endpoint" in refused.text and "not a public address" in refused.text
    assert SECRET not in refused.text and endpoint.url in ada.get(page).text
    assert "s required to sign in with OAuth" in ada.post(page, data=typed | {"client_id": ""}).text
    ada.call("PUT", here, 200, json=mailbox(mail))
    assert poller.poll(0) == 1 and health(world)["failure"] is None and health(world)["token_url"] is None
