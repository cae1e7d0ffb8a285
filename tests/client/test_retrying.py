"""When a request is sent again, and when never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker_client import (
    BadRequest,
    Changed,
    Retries,
    StillRunning,
    TooManyAttempts,
    Unavailable,
    Unreachable,
)
from issue_tracker_client import issues as on_issues
from issue_tracker_client.session import Session
from issue_tracker_client.steps import Outcome, Request
from tests.client.scripted import LOST, UNSENT, Script, reply

GET = Request("GET", "/api/issues")
ISSUE = (
    '{"issue_id":7,"name":"VPN","description":null,"created_at":"2025-01-04T10:15:00+00:00",'
    '"updated_at":"2025-01-04T10:15:00+00:00","assignments":[]}'
)


def session(retries: Retries | None = None) -> Session:
    return Session("http://tracker.test", token="itk_a_b", retries=retries or Retries())


@pytest.mark.parametrize("trouble", [LOST, UNSENT, reply(429), reply(502), reply(503), reply(504)])
def test_reads_go_on_until_there_is_an_answer(trouble: Outcome) -> None:
    script = Script(trouble, trouble, reply(200))
    assert script.run(session().perform(GET)).status == 200
    assert (len(script.sent), len(script.pauses)) == (3, 2)


def test_a_post_is_repeated_with_the_same_key() -> None:
    script = Script(LOST, reply(409), reply(503), reply(201, ISSUE))
    script.run(on_issues.create_issue(session(), "VPN"))
    keys = {request.headers["idempotency-key"] for request in script.sent}
    assert len(script.sent) == 4
    assert len(keys) == 1


def test_each_post_has_a_key_of_its_own() -> None:
    script = Script(reply(201, ISSUE), reply(201, ISSUE))
    for _ in range(2):
        script.run(on_issues.create_issue(session(), "VPN"))
    assert len({request.headers["idempotency-key"] for request in script.sent}) == 2


@pytest.mark.parametrize("change", [{"new_name": "Line"}, {"description": "x", "if_match": '"7-1"'}])
def test_a_change_whose_second_answer_would_mislead_is_not_repeated_when_it_may_be_done(
    change: dict[str, str],
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
def test_even_that_change_is_repeated_when_it_was_surely_not_done(trouble: Outcome) -> None:
    script = Script(trouble, reply(200, ISSUE))
    script.run(on_issues.update_issue(session(), "VPN", new_name="Line"))
    assert len(script.sent) == 2


def test_a_deletion_whose_answer_was_lost_is_done_when_the_issue_is_gone() -> None:
    Script(LOST, reply(404)).run(on_issues.delete_issue(session(), "VPN"))


@pytest.mark.parametrize(
    ("status", "error"), [(400, BadRequest), (409, StillRunning), (412, Changed), (500, Unavailable)]
)
def test_refusals_are_taken_at_once(status: int, error: type[Exception]) -> None:
    script = Script(reply(status))
    with pytest.raises(error):
        script.run(session().perform(GET))
    assert script.pauses == []


@given(st.integers(0, 59))
def test_retry_after_is_waited_out(seconds: int) -> None:
    script = Script(reply(429, retry_after=str(seconds)), reply(200))
    script.run(session().perform(GET))
    assert seconds <= script.pauses[0] <= seconds + 0.5


def test_retry_after_may_be_a_date_and_is_read_by_the_servers_clock() -> None:
    date, later = "Sat, 04 Jan 2025 10:15:00 GMT", "Sat, 04 Jan 2025 10:15:09 GMT"
    assert reply(503, retry_after=later, date=date).retry_after == 9.0
    assert reply(503, retry_after=date, date=later).retry_after == 0.0
    assert reply(503, retry_after=later).retry_after is None
    assert reply(503, retry_after="soon", date=date).retry_after is None


def test_patience_ends_before_a_pause_that_would_overrun_it() -> None:
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
    assert sum(script.pauses) <= patience + 1e-6  # what the clock resolves
    assert all(pause <= longest_pause for pause in script.pauses)
