"""When a request is retried, and when it is not."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker_client import (
    BadRequest,
    Changed,
    Misuse,
    NotFound,
    Refused,
    Retries,
    StillRunning,
    TooManyAttempts,
    Unavailable,
    Unreachable,
)
from issue_tracker_client import access as on_access
from issue_tracker_client import issues as on_issues
from issue_tracker_client.retrying import ANY_NUMBER
from issue_tracker_client.session import Session
from issue_tracker_client.steps import Outcome, Request
from tests.client.scripted import LOST, UNSENT, Script, reply, signed_in

GET = Request("GET", "/api/issues")
ISSUE = (
    '{"issue_id":7,"name":"VPN","description":null,"created_at":"2025-01-04T10:15:00+00:00",'
    '"updated_at":"2025-01-04T10:15:00+00:00","assignments":[]}'
)


def session(retries: Retries | None = None) -> Session:
    return Session("http://tracker.test", token="itk_a_b", retries=retries or Retries())


@pytest.mark.parametrize("trouble", [LOST, UNSENT, reply(429), reply(502), reply(503), reply(504)])
def test_reads_are_repeated_until_there_is_a_response(trouble: Outcome) -> None:
    script = Script(trouble, trouble, reply(200))
    assert script.run(session().perform(GET)).status == 200
    assert (len(script.sent), len(script.pauses)) == (3, 2)


def test_a_post_is_repeated_with_the_same_key() -> None:
    script = Script(LOST, reply(409), reply(503), reply(201, ISSUE))
    script.run(on_issues.create_issue(session(), "VPN"))
    keys = {request.headers["idempotency-key"] for request in script.sent}
    assert len(script.sent) == 4
    assert len(keys) == 1


def test_each_post_has_its_own_key() -> None:
    script = Script(reply(201, ISSUE), reply(201, ISSUE))
    for _ in range(2):
        script.run(on_issues.create_issue(session(), "VPN"))
    assert len({request.headers["idempotency-key"] for request in script.sent}) == 2


@pytest.mark.parametrize("change", [{"new_name": "Line"}, {"description": "x", "if_match": '"7-1"'}])
def test_a_change_is_not_repeated_if_the_second_response_would_mislead(
    change: dict[str, Any],
) -> None:
    script = Script(LOST)
    with pytest.raises(Unreachable, match="may have been made") as lost:
        script.run(on_issues.update_issue(session(), "VPN", **change))
    assert lost.value.maybe_done
    refused = Script(reply(503))
    with pytest.raises(Unavailable):
        refused.run(on_issues.update_issue(session(), "VPN", **change))
    assert len(script.sent) == len(refused.sent) == 1


@pytest.mark.parametrize("trouble", [UNSENT, reply(429)])
def test_such_a_change_is_repeated_if_it_was_certainly_not_made(trouble: Outcome) -> None:
    script = Script(trouble, reply(200, ISSUE))
    script.run(on_issues.update_issue(session(), "VPN", new_name="Line"))
    assert len(script.sent) == 2


@pytest.mark.parametrize("trouble", [LOST, reply(502), reply(503), reply(504)])
def test_a_deletion_is_not_repeated_if_it_may_have_been_made(trouble: Outcome) -> None:
    """Another client may have created the issue again, and a 404 would not show whose deletion it was."""
    for deletion in (on_issues.delete_issue(session(), "VPN"), on_issues.unassign(session(), "VPN", "typo")):
        script = Script(trouble, reply(404))
        with pytest.raises((Unreachable, Unavailable), match="may have been made") as left_open:
            script.run(deletion)
        assert getattr(left_open.value, "maybe_done", None) is True
        assert len(script.sent) == 1


@pytest.mark.parametrize(
    ("outcomes", "error", "maybe_done"),
    [
        ([LOST, reply(404)], NotFound, True),
        ([reply(504), reply(400)], BadRequest, True),
        ([UNSENT, reply(429), reply(404)], NotFound, False),
        ([reply(404)], NotFound, False),
        ([reply(502)] * 2, Unavailable, True),
        ([reply(500)], Unavailable, False),
    ],
)
def test_an_error_says_whether_an_earlier_attempt_may_have_succeeded(
    outcomes: list[Outcome], error: type[Refused], maybe_done: bool
) -> None:
    with pytest.raises(error) as refused:
        Script(*outcomes).run(on_issues.set_status(session(Retries(len(outcomes))), "VPN", "Acme", "new"))
    assert refused.value.maybe_done is maybe_done
    assert ("may have been made" in str(refused.value)) is maybe_done


def test_the_response_to_a_known_key_decides_whether_it_was_made() -> None:
    """A 404 to a repeated POST means that no response is stored, so the first attempt did nothing."""
    with pytest.raises(NotFound) as refused:
        Script(LOST, reply(404)).run(on_issues.create_issue(session(), "VPN", companies=["Initech"]))
    assert not refused.value.maybe_done


@pytest.mark.parametrize("method", ["post", "POST"])
def test_any_post_has_a_key_which_can_be_given(method: str) -> None:
    script = Script(LOST, reply(201), LOST, reply(201))
    script.run(on_access.call(session(), method, "/api/webhooks", body={}, idempotency_key="mine"))
    script.run(on_access.call(session(), method, "/api/webhooks"))
    assert {one.method for one in script.sent} == {"POST"}
    keys = [one.headers["idempotency-key"] for one in script.sent]
    assert keys[:2] == ["mine", "mine"] and keys[2] == keys[3]


def test_an_unknown_method_is_not_repeated() -> None:
    with pytest.raises(Unreachable):
        Script(LOST).run(on_access.call(session(), "PATCH", "/api/issues/VPN", body={}))
    with pytest.raises(Misuse, match="POST"):
        Script().run(on_access.call(session(), "PUT", "/api/issues/VPN", body={}, idempotency_key="mine"))


@pytest.mark.parametrize(
    ("status", "error"), [(400, BadRequest), (409, StillRunning), (412, Changed), (500, Unavailable)]
)
def test_refusals_are_not_retried(status: int, error: type[Exception]) -> None:
    script = Script(reply(status))
    with pytest.raises(error):
        script.run(session().perform(GET))
    assert script.pauses == []


@given(st.integers(0, 59))
def test_the_client_waits_for_retry_after(seconds: int) -> None:
    script = Script(reply(429, retry_after=str(seconds)), reply(200))
    script.run(session().perform(GET))
    assert seconds <= script.pauses[0] <= seconds + 0.5


def test_a_date_in_retry_after_is_relative_to_the_servers_clock() -> None:
    date, later = "Sat, 04 Jan 2025 10:15:00 GMT", "Sat, 04 Jan 2025 10:15:09 GMT"
    assert reply(503, retry_after=later, date=date).retry_after == 9.0
    assert reply(503, retry_after=date, date=later).retry_after == 0.0
    assert reply(503, retry_after="soon", date=date).retry_after is None


@pytest.mark.parametrize("date", [{}, {"date": "today"}])
def test_a_date_without_the_servers_clock_is_relative_to_the_local_clock(date: dict[str, str]) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)
    wait = reply(503, retry_after=format_datetime(soon, usegmt=True), **date).retry_after
    assert wait is not None and 90 < wait <= 100


@pytest.mark.parametrize("year", ["99999", "9" * 30])
def test_a_date_that_cannot_be_represented_is_ignored(year: str) -> None:
    assert reply(503, retry_after=f"Sat, 04 Jan {year} 10:15:00 GMT").retry_after is None


def test_with_any_number_of_attempts_patience_is_used_up() -> None:
    script = Script(*[UNSENT] * 10_000)
    with pytest.raises(Unreachable):
        script.run(session(Retries(attempts=ANY_NUMBER, patience=300)).perform(GET))
    assert sum(script.pauses) == pytest.approx(300)


def test_no_attempt_waits_beyond_patience() -> None:
    script = Script(reply(429, retry_after="25"), reply(503, retry_after="14.5"), reply(200))
    script.run(session(Retries(patience=40, first_pause=0)).perform(GET))
    assert [request.timeout for request in script.sent] == [30.0, 15.0, 15.0]
    script = Script(UNSENT)
    with pytest.raises(Unreachable):
        script.run(session(Retries(patience=0)).perform(GET))
    assert [request.timeout for request in script.sent] == [1.0]


def test_signing_in_counts_towards_patience() -> None:
    busy = reply(503, retry_after="20")
    script = Script(busy, reply(200, signed_in("c1")), busy, reply(401), busy)
    tess = Session("http://tracker.test", email="tess@x", password="secret", retries=Retries(patience=50))
    with pytest.raises(Unavailable):
        script.run(tess.perform(GET))
    assert (len(script.sent), sum(script.pauses) < 50) == (5, True)


def test_no_pause_exceeds_patience() -> None:
    script = Script(reply(429, '{"detail":"Too many attempts."}', retry_after="900"))
    with pytest.raises(TooManyAttempts, match="Too many attempts") as refused:
        script.run(session().perform(GET))
    assert refused.value.retry_after == 900.0
    assert script.pauses == []


@given(st.integers(1, 8), st.floats(0, 120), st.floats(0, 5), st.floats(0, 60))
def test_attempts_and_waiting_are_bounded(
    attempts: int, patience: float, first_pause: float, longest_pause: float
) -> None:
    script = Script(*[UNSENT] * attempts)
    with pytest.raises(Unreachable):
        script.run(session(Retries(attempts, patience, first_pause, longest_pause)).perform(GET))
    assert len(script.sent) <= attempts
    assert sum(script.pauses) <= patience + 1e-6  # the resolution of the clock
    assert all(pause <= longest_pause for pause in script.pauses)
