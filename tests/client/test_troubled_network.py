"""Retries with a real server over a network that loses requests and responses."""

import time

import pytest

from issue_tracker_client import (
    NEVER,
    NotFound,
    Retries,
    TokenLost,
    TooManyAttempts,
    Tracker,
    Unavailable,
    Unreachable,
)
from tests.client.conftest import Connect
from tests.client.troubles import Trouble, TroubledNetwork, response
from tests.world import CAST, PASSWORD

LOST, UNSENT = Trouble.RESPONSE_LOST, Trouble.REQUEST_LOST
SOON = Retries(first_pause=0.01)


def test_an_issue_whose_response_was_lost_is_created_once(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url, retries=SOON) as tracker:
        network.ahead = [LOST, LOST, UNSENT, response(503)]
        made = tracker.create_issue("VPN", companies=["Acme"])
        assert tracker.issue("VPN") == made
        assert [one.name for one in tracker.issues()] == ["VPN"]
    assert len(set(network.keys[:5])) == 1
    assert network.requests[:5] == ["POST /api/issues HTTP/1.1"] * 5


def test_a_refusal_whose_response_was_lost_is_the_same_refusal(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url, retries=SOON) as tracker:
        network.ahead = [LOST]
        with pytest.raises(NotFound, match="Initech"):
            tracker.create_issue("VPN", companies=["Initech"])


def test_a_status_whose_response_was_lost_is_set_once(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url, retries=SOON) as tracker:
        tracker.create_issue("VPN", companies=["Acme"])
        network.ahead = [LOST, LOST]
        done = tracker.set_status("VPN", "Acme", "resolved")
        assert tracker.issue("VPN").assignments[0].updated_at == done.updated_at


def test_a_bulk_change_whose_response_was_lost_gets_the_response_of_the_first(
    connect: Connect, network: TroubledNetwork
) -> None:
    with connect(network.url, retries=SOON) as tracker:
        tracker.create_issue("VPN", companies=["Acme", "Contoso"])
        network.ahead = [LOST]
        assert tracker.set_status_in_bulk("VPN", "resolved").changed == 2


def test_a_removal_and_a_deletion_whose_responses_were_lost_may_have_been_made(
    connect: Connect, network: TroubledNetwork, admin: Tracker, admin_token: str
) -> None:
    admin.create_issue("VPN", companies=["Acme"])
    with connect(network.url, token=admin_token, retries=SOON) as tracker:
        for company in ("Acme", "typo"):
            network.ahead = [LOST]
            with pytest.raises(Unreachable) as lost:
                tracker.unassign("VPN", company)
            assert lost.value.maybe_done
        assert admin.issue("VPN").assignments == ()
        network.ahead = [LOST]
        with pytest.raises(Unreachable) as lost:
            tracker.delete_issue("VPN")
        assert lost.value.maybe_done
        network.ahead = [UNSENT]
        with pytest.raises(Unreachable):
            tracker.delete_issue("VPN")
        with pytest.raises(NotFound):
            tracker.delete_issue("VPN")


def test_the_error_names_a_token_whose_response_was_lost(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url, email=CAST["tess"][0], password=PASSWORD, retries=SOON) as tracker:
        assert tracker.who_am_i()
        network.ahead = [LOST]
        with pytest.raises(TokenLost, match="nightly") as lost:
            tracker.create_token("nightly")
        assert lost.value.token_id in {one.id for one in tracker.tokens() if one.name == "nightly"}
        tracker.revoke_token(lost.value.token_id)
        assert "nightly" not in {one.name for one in tracker.tokens()}


def test_the_client_waits_for_a_busy_server_no_longer_than_patience(connect: Connect, network: TroubledNetwork) -> None:
    """The proxy leaves the connection open, and sends nothing."""
    with connect(network.url, retries=Retries(patience=0)) as tracker:
        network.ahead = [Trouble.SILENCE]
        started = time.monotonic()
        with pytest.raises(Unreachable):
            tracker.issue("VPN")
        assert 0.9 < time.monotonic() - started < 10


def test_a_rename_whose_response_was_lost_may_have_been_made(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url, retries=SOON) as tracker:
        tracker.create_issue("VPN")
        network.ahead = [LOST]
        with pytest.raises(Unreachable) as lost:
            tracker.update_issue("VPN", new_name="WAN")
        assert lost.value.maybe_done
        assert tracker.issue("WAN").name == "WAN"


def test_retry_after_of_the_server_is_honoured(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url, retries=SOON) as tracker:
        network.ahead = [response(429, retry_after="1")]
        assert list(tracker.issues()) == []
        network.ahead = [response(429, retry_after="3600")]
        with pytest.raises(TooManyAttempts) as refused:
            list(tracker.issues())
        assert refused.value.retry_after == 3600


def test_patience_ends(connect: Connect, network: TroubledNetwork) -> None:
    with connect(network.url, retries=NEVER) as tracker:
        network.ahead = [response(503)]
        with pytest.raises(Unavailable):
            tracker.issue("VPN")
        network.ahead = [UNSENT]
        with pytest.raises(Unreachable) as away:
            tracker.issue("VPN")
        assert not away.value.maybe_done
