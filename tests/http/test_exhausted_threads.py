"""When the system refuses further threads, requests get a response, and everything recovers without a restart."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from issue_tracker.events import reader
from issue_tracker.events.queries import log
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.events.listening import Listening
from tests.events.receiver import Receiver
from tests.server import serving
from tests.waiting import eventually
from tests.world import World

# Where threads are started does not depend on the database.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


class Refusal:
    """The system's refusal of every thread whose name begins with one of `names`. `count` is how often it refused."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.count = 0
        self._start = threading.Thread.start

    def start(self, thread: threading.Thread) -> None:
        if self.names and thread.name.startswith(self.names):
            self.count += 1
            raise RuntimeError("can't start new thread")
        self._start(thread)

    def __call__(self, *names: str) -> None:
        """Refuses threads with these names from now on; without names, none."""
        self.names = names


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refusal:
    refusal = Refusal()

    def start(thread: threading.Thread) -> None:
        refusal.start(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    return refusal


@pytest.fixture
def client(world: World, refuse: Refusal) -> Iterator[Client]:
    """A super admin's client of a server of its own, which sends messages of webhooks to this machine."""
    settings = Settings(
        database_url=world.server.settings.database_url,
        log_level="error",
        webhook_allowed_networks="127.0.0.0/8",
        webhook_timeout_seconds=1,
    )
    with serving(settings) as server:
        ada = world.client("ada")
        ada.base_url = server.url
        yield ada
        refuse()


def working() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("request_")]


def test_requests_are_left_to_the_threads_that_exist(client: Client, world: World, refuse: Refusal) -> None:
    world.given_issue("VPN")
    before = len(working())
    with ThreadPoolExecutor(3) as senders:
        for refusing in (True, False):
            refuse(*["request_"] * refusing)
            with world.database.write():
                bodies = [{"description": f"{refusing} {number}"} for number in range(3)]
                sent = [senders.submit(client.put, "/api/issues/VPN", json=body) for body in bodies]
                eventually(lambda: refuse.count > 1 if refuse.names else len(working()) > before)
            assert [future.result().status_code for future in sent] == [200] * 3
            assert (len(working()) == before) is refusing


@pytest.mark.parametrize(
    ("name", "path"), [("probe_", "/readyz"), ("log-reader", "/api/events/stream"), ("stream_", "/api/events/stream")]
)
def test_a_request_that_needs_a_new_thread_is_refused(client: Client, refuse: Refusal, name: str, path: str) -> None:
    refuse(name)
    for _ in range(2):
        refused = client.call("GET", path, 503)
        assert refused["detail"] == "The server is overloaded. Try again shortly."
    refuse()
    with client.stream("GET", path) as response:
        assert response.status_code == 200


def test_a_password_is_verified_later(client: Client, world: World, refuse: Refusal) -> None:
    refuse("password-request")
    wrong = {"email": "ada@helpdesk.example", "password": "wrong"}
    with Client(base_url=client.base_url) as anonymous:
        anonymous.call("POST", "/api/auth/login", 503, json=wrong)
        refuse()
        anonymous.call("POST", "/api/auth/login", 401, json=wrong)


@pytest.mark.parametrize("name", ["delivery", "resolver"])
def test_messages_of_webhooks_are_sent_later(client: Client, refuse: Refusal, name: str) -> None:
    receiver = Receiver()
    path = f"/api/webhooks/{client.call('POST', '/api/webhooks', 201, json={'url': receiver.url})['id']}"
    refuse(name)
    client.call("POST", f"{path}/test", 202)
    eventually(lambda: client.call("GET", f"{path}/deliveries", 200)["items"][0]["attempts"])
    refuse()
    eventually(lambda: len(receiver.messages) == 1, 20)
    receiver.close()


def test_the_stream_survives_an_unexpected_failure(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    failures = iter([RuntimeError("unforeseen")])
    list_events = log.list_events

    def fail_once(*arguments: object, **options: object) -> object:
        for failure in failures:
            raise failure
        return list_events(*arguments, **options)  # type: ignore[arg-type]  # the arguments of the caller

    with Listening(client) as listener:
        monkeypatch.setattr(reader, "list_events", fail_once)
        body = {"issue_name": "VPN", "company_name": "Contoso", "status": "resolved"}
        client.call("PUT", "/api/issues/status", 200, json=body)
        listener.receives(1)
        assert listener.events[0]["to"] == "resolved"
