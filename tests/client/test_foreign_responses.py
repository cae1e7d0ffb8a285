"""Responses from anything but the tracker, such as a proxy's redirect or a login page, are never a success."""

from collections.abc import Callable
from itertools import islice

import pytest

from issue_tracker_client import NotFound, Retries, Tracker, UnexpectedAnswer
from tests.client.conftest import Connect
from tests.client.troubles import TroubledNetwork, response

PAGE = response(200, b"<html>Sign in</html>", content_type="text/html; charset=utf-8")
MOVED = response(301, location="https://elsewhere.test/")
LATIN = response(200, b'{"name": "St\xf6rung"}', content_type="application/json")
EMPTY = response(200)
RESPONSES = {
    "page": PAGE,
    "moved": MOVED,
    "found": response(302),
    "not modified": response(304),
    "latin": LATIN,
    "empty": EMPTY,
}

CALLS: list[Callable[[Tracker], object]] = [
    lambda tracker: tracker.delete_issue("VPN"),
    lambda tracker: tracker.unassign("VPN", "Acme"),
    lambda tracker: tracker.delete_company(1),
    lambda tracker: tracker.revoke_token(1),
    lambda tracker: tracker.set_status("VPN", "Acme", "resolved"),
    lambda tracker: tracker.create_issue("VPN"),
    lambda tracker: tracker.issue("VPN"),
    lambda tracker: tracker.poll_issues(),
    lambda tracker: list(tracker.issues()),
    lambda tracker: tracker.export_csv(),
    lambda tracker: tracker.call("GET", "/api/webhooks"),
    lambda tracker: tracker.call("delete", "/api/webhooks/1"),
    lambda tracker: next(tracker.follow(after=0)),
    lambda tracker: next(tracker.follow()),
]


@pytest.mark.parametrize("kind", RESPONSES)
def test_a_foreign_response_is_never_a_success(connect: Connect, network: TroubledNetwork, kind: str) -> None:
    with connect(network.url, retries=Retries(first_pause=0.01)) as tracker:
        for call in CALLS:
            network.ahead, network.requests = [RESPONSES[kind]] * 3, []
            with pytest.raises(UnexpectedAnswer, match="not a response of the Issue Tracker"):
                call(tracker)
            assert len(network.requests) == 1


def test_the_error_names_a_redirect(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url) as tracker:
        network.ahead = [MOVED]
        with pytest.raises(UnexpectedAnswer, match=r"301 with a redirect to https://elsewhere\.test/"):
            tracker.delete_issue("VPN")


def test_a_page_instead_of_the_stream_is_reported_after_a_break(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url, retries=Retries(first_pause=0.01)) as tracker:
        tracker.create_issue("VPN", companies=["Acme"])
        events = tracker.follow(after=0)
        assert len(list(islice(events, 2))) == 2
        network.ahead = [PAGE] * 3
        network.cut()
        with pytest.raises(UnexpectedAnswer):
            next(events)


def test_an_error_page_with_an_unknown_encoding_is_an_error(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url) as tracker:
        network.ahead = [response(404, b'{"detail": "St\xf6rung"}')]
        with pytest.raises(NotFound, match="The server responded with 404"):
            tracker.issue("VPN")
