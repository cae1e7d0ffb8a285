"""The state of the stream: where it resumes after a break, and how soon."""

import pytest

from issue_tracker_client import Event, NotSignedIn, UnexpectedAnswer, Unreachable
from issue_tracker_client.session import Session
from issue_tracker_client.sources import Feed
from issue_tracker_client.steps import Failure
from tests.client.scripted import LOST, UNSENT, Script, reply


def event(number: int) -> str:
    return (
        f'{{"event_id":{number},"type":"issue.created","at":"2025-01-04T10:15:00+00:00",'
        '"actor":{"id":1,"name":"Tess","channel":"session"}}'
    )


def block(number: int) -> bytes:
    return f"id: {number}\nevent: issue.created\ndata: {event(number)}\n\n".encode()


def numbers(events: list[Event] | None) -> list[int]:
    return [one.event_id for one in events or []]


STREAM = reply(200, content_type="text/event-stream; charset=utf-8")


def feed(after: int | None = None) -> Feed:
    return Feed(Session("http://tracker.test", token="itk_a_b"), after)


def resumed_at(script: Script) -> list[str | None]:
    return [request.headers.get("last-event-id") for request in script.sent]


def test_without_a_position_it_starts_after_the_newest_settled_event() -> None:
    newest, settled = f'{{"items":[{event(441)}],"total":9}}', f'{{"items":[{event(438)},{event(439)}],"total":9}}'
    script, source = (
        Script(reply(200, newest), reply(200, settled), STREAM, reads=[b": hello\n\n", block(440)]),
        feed(),
    )
    assert numbers(script.run(source.more())) == [440]
    assert [request.query for request in script.sent] == [(("limit", "1"),), (("after", "341"), ("limit", "100")), ()]
    assert resumed_at(script) == [None, None, "439"]


def test_an_empty_history_starts_at_zero() -> None:
    empty = '{"items":[],"total":0}'
    script = Script(reply(200, empty), reply(200, empty), STREAM, reads=[block(1)])
    assert numbers(script.run(feed().more())) == [1]
    assert resumed_at(script)[2] == "0"


@pytest.mark.parametrize("end", [None, LOST])
def test_after_a_break_it_continues_after_the_last_event(end: Failure | None) -> None:
    half = block(9)[:30]
    reads: list[bytes | Failure | None] = [block(7) + block(8) + half, end, block(9)]
    script, source = Script(STREAM, UNSENT, reply(503), STREAM, reads=reads), feed(6)
    assert numbers(script.run(source.more())) == [7, 8]
    assert numbers(script.run(source.more())) == [9]
    assert resumed_at(script) == ["6", "8", "8", "8"]
    assert script.closed == 1


def test_a_stream_that_breaks_immediately_is_reopened_with_growing_pauses() -> None:
    script = Script(*[STREAM] * 40, reads=[*[None] * 39, block(1)])
    script.run(feed(0).more())
    assert sum(script.pauses[20:]) > sum(script.pauses[:5])
    assert max(script.pauses) <= 20.0


def test_it_times_out_when_the_server_cannot_be_reached() -> None:
    script = Script(*[UNSENT] * 10_000)
    with pytest.raises(Unreachable):
        script.run(Feed(Session("http://tracker.test", token="itk_a_b"), 0, patience=90.0).more())
    assert sum(script.pauses) <= 90.0 + 1e-6  # the resolution of the clock


def test_the_timeout_also_applies_before_the_first_event() -> None:
    script = Script(*[UNSENT] * 10_000)
    with pytest.raises(Unreachable):
        script.run(feed().more())
    assert sum(script.pauses) == pytest.approx(300)


def test_the_stream_ends_with_its_token() -> None:
    script, source = Script(STREAM, reply(401), reads=[block(1), None]), feed(0)
    script.run(source.more())
    with pytest.raises(NotSignedIn):
        script.run(source.more())


def test_a_response_that_is_not_a_stream_is_reported() -> None:
    with pytest.raises(UnexpectedAnswer):
        Script(STREAM, reads=[b"data: hello\n\n"]).run(feed(0).more())


def test_closing_the_stream_closes_the_connection_once() -> None:
    script, source = Script(STREAM, reads=[block(1)]), feed(0)
    script.run(source.more())
    script.run(source.done())
    script.run(source.done())
    assert script.closed == 1
