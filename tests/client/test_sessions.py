"""Signing in with a password, ending sessions, and a user's own tokens, with a real server."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from issue_tracker_client import AsyncTracker, BadRequest, Forbidden, NotSignedIn, Refused, Tracker
from tests.apart import run_apart
from tests.client.conftest import Connect
from tests.client.troubles import TroubledNetwork
from tests.world import CAST, PASSWORD, World

EMAIL = CAST["omar"][0]
"""Omar has no token and no session until a test creates one."""


@pytest.fixture
def sessions(world: World) -> Callable[[], int]:
    """Returns the number of Omar's sessions, except for the one that requests it."""
    observer = world.client("omar")
    return lambda: int(observer.call("GET", "/api/auth/sessions", 200)["total"]) - 1


def test_a_password_is_sufficient_for_changes(connect: Connect, url: str, sessions: Callable[[], int]) -> None:
    with connect(url, email=EMAIL, password=PASSWORD) as tracker:
        assert tracker.create_issue("VPN", companies=["Acme"]).name == "VPN"
        assert tracker.who_am_i().user.name == "Omar Reyes"
        assert sessions() == 1
    assert sessions() == 0


def test_an_ended_session_is_renewed(connect: Connect, url: str, world: World) -> None:
    with connect(url, email=EMAIL, password=PASSWORD) as tracker:
        tracker.create_issue("VPN", companies=["Acme"])
        world.clock.advance(hours=13)
        assert tracker.set_status("VPN", "Acme", "resolved").status == "resolved"
        world.clock.advance(days=31)
        assert [one.name for one in tracker.issues()] == ["VPN"]


def test_a_wrong_password_is_refused_and_not_retried(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url, email=EMAIL, password="wrong") as tracker, pytest.raises(NotSignedIn):
        tracker.issue("VPN")
    assert network.requests == ["POST /api/auth/login HTTP/1.1"]


def test_threads_share_one_session_and_its_renewal(url: str, world: World, sessions: Callable[[], int]) -> None:
    with Tracker(url, email=EMAIL, password=PASSWORD) as tracker, ThreadPoolExecutor(8) as threads:
        list(threads.map(tracker.create_issue, (f"Issue {number}" for number in range(16))))
        assert sessions() == 1
        world.clock.advance(hours=13)
        list(threads.map(lambda n: tracker.update_issue(f"Issue {n}", description="seen"), range(16)))
        assert [one.description for one in tracker.issues()] == ["seen"] * 16


def test_tasks_share_one_session_and_its_renewal(url: str, world: World, sessions: Callable[[], int]) -> None:
    async def describe_all(tracker: AsyncTracker, text: str) -> None:
        await asyncio.gather(*(tracker.update_issue(name, description=text) for name in names))
        assert [issue.description async for issue in tracker.issues()] == [text] * len(names)

    async def work() -> None:
        async with AsyncTracker(url, email=EMAIL, password=PASSWORD) as tracker:
            await asyncio.gather(*(tracker.create_issue(name) for name in names))
            assert sessions() == 1
            world.clock.advance(hours=13)
            await describe_all(tracker, "seen")

    names = [f"Issue {number}" for number in range(16)]
    run_apart(work())


def test_a_user_without_helpdesk_access_gets_the_reason(connect: Connect, url: str) -> None:
    with connect(url, email=CAST["mia"][0], password=PASSWORD) as member, pytest.raises(Forbidden):
        list(member.issues())


def test_tokens_are_created_listed_and_revoked(connect: Connect, url: str, world: World) -> None:
    with connect(url, email=EMAIL, password=PASSWORD) as owner:
        soon = world.clock.now() + timedelta(hours=1)
        made = owner.create_token("nightly", scopes=["read"], expires_at=soon)
        assert made.token and made.token.startswith("itk_")
        assert [(one.name, one.scopes, one.token) for one in owner.tokens()] == [("nightly", ("read",), None)]
        with connect(url, token=made.token) as reader:
            assert list(reader.issues()) == []
            with pytest.raises(Forbidden):
                reader.create_issue("VPN")
            with pytest.raises(Refused):
                reader.who_am_i()
            world.clock.advance(hours=2)
            with pytest.raises(NotSignedIn):
                list(reader.issues())
        with pytest.raises(BadRequest):
            owner.create_token("late", expires_at=soon)
        owner.revoke_token(made.id)
        assert owner.tokens().total == 0
        bound = owner.create_token("bound", networks=["192.0.2.0/24"], companies=["Contoso"])
        assert bound.networks == ("192.0.2.0/24",)
        with connect(url, token=bound.token) as elsewhere, pytest.raises(NotSignedIn):
            list(elsewhere.issues())
