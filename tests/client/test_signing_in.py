"""Automatic sign-in: once, again after the session has ended, and never twice for the same end."""

from typing import TypeVar

import pytest

from issue_tracker_client import Misuse, NotSignedIn, Retries, Tracker, Unavailable, UnexpectedAnswer, Unreachable
from issue_tracker_client.session import Options, Session
from issue_tracker_client.steps import Exclusive, Outcome, Plan, Reply, Request, Send
from tests.client.scripted import LOST, Script, reply, signed_in

S = TypeVar("S", Exclusive, Send)
GET, PUT = Request("GET", "/api/issues"), Request("PUT", "/api/issues/status")


def session(attempts: int = 6) -> Session:
    return Session("http://tracker.test/", email="tess@x", password="secret", retries=Retries(attempts))


def sent(script: Script) -> list[tuple[str, str, str | None]]:
    return [(one.method, one.path, one.headers.get("x-csrf-token")) for one in script.sent]


def test_it_signs_in_once_and_sends_the_csrf_token_with_changes() -> None:
    script, tess = Script(reply(200, signed_in("c1")), reply(200), reply(200)), session()
    script.run(tess.perform(GET))
    script.run(tess.perform(PUT))
    assert sent(script) == [
        ("POST", "/api/auth/login", None),
        ("GET", "/api/issues", None),
        ("PUT", "/api/issues/status", "c1"),
    ]
    assert script.sent[0].signing_in


def test_an_ended_session_is_renewed_and_the_request_is_sent_again() -> None:
    script = Script(reply(200, signed_in("c1")), reply(401), reply(200, signed_in("c2")), reply(200))
    script.run(session().perform(PUT))
    assert sent(script)[1::2] == [("PUT", "/api/issues/status", "c1"), ("PUT", "/api/issues/status", "c2")]


def test_a_second_401_is_final() -> None:
    script = Script(reply(200, signed_in("c1")), reply(401), reply(200, signed_in("c2")), reply(401))
    with pytest.raises(NotSignedIn):
        script.run(session().perform(PUT))


def test_only_one_of_two_requests_renews_an_ended_session() -> None:
    tess = session()
    Script(reply(200, signed_in("c1")), reply(200)).run(tess.perform(GET))
    plans = [tess.perform(GET), tess.perform(GET)]
    for plan in plans:
        reached(plan, Send, None)
    script = Script(reply(200, signed_in("c2")))
    for renewal in [reached(plan, Exclusive, reply(401)) for plan in plans]:
        script.run(renewal.plan)
    assert len(script.sent) == 1


def reached(plan: Plan[Reply], kind: type[S], result: Reply | None) -> S:
    """Sends the plan a result and returns its next step of this kind; the clock does not move."""
    step = plan.send(result)
    while not isinstance(step, kind):
        step = plan.send(0.0)
    return step


def test_a_wrong_password_is_reported_and_not_retried() -> None:
    script = Script(reply(401, '{"detail":"Wrong email or password."}'))
    with pytest.raises(NotSignedIn, match="Wrong email or password"):
        script.run(session().perform(GET))
    assert len(script.sent) == 1


CONFIRM = reply(403, '{"detail":"Confirm that it is you.","reason":"confirmation_required"}')


@pytest.mark.parametrize("trouble", [LOST, reply(503)], ids=["lost", "503"])
def test_a_confirmation_is_repeated_and_changes_nothing_itself(trouble: Outcome) -> None:
    begun = reply(200, signed_in("c1")), CONFIRM, trouble
    script = Script(*begun, reply(204), reply(201))
    script.run(session().perform(Request("POST", "/api/auth/tokens", headers={"idempotency-key": "k"})))
    assert [one.path for one in script.sent[2:]] == ["/api/auth/confirm"] * 2 + ["/api/auth/tokens"]
    with pytest.raises((Unreachable, Unavailable)) as away:
        Script(*begun).run(session(attempts=1).perform(PUT))
    assert isinstance(away.value, (Unreachable, Unavailable)) and not away.value.maybe_done


def test_without_a_response_to_the_sign_in_nothing_was_changed() -> None:
    with pytest.raises(Unreachable) as away:
        Script(LOST).run(session(attempts=1).perform(PUT))
    assert not away.value.maybe_done


def test_signing_out_is_tried_once_and_only_with_a_session() -> None:
    tess, script = session(), Script(reply(200, signed_in("c1")), reply(200), LOST)
    script.run(tess.sign_out())
    script.run(tess.perform(GET))
    script.run(tess.sign_out())
    assert sent(script)[2:] == [("POST", "/api/auth/logout", "c1")]


@pytest.mark.parametrize(
    "url",
    [
        *["", "tracker.test", "ftp://tracker.test", "http://", "http://x/?a=b"],
        *["http://[::1", "http://h:abc", "http://h:99999", "http://h:0", "http://a..b", "http://☃"],
    ],
)
def test_an_invalid_address_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(Misuse, match="not the address"):
        Tracker(url, token="itk_a_b")


def test_exactly_one_way_of_signing_in_must_be_given() -> None:
    with pytest.raises(Misuse, match="either a token"):
        Session("http://tracker.test")
    with pytest.raises(Misuse, match="either a token"):
        Session("http://tracker.test", email="tess@x")
    several: list[Options] = [{"email": "tess@x", "password": "p"}, {"email": "tess@x"}, {"password": "p"}]
    for more in several:
        more["token"] = "itk_a_b"
        with pytest.raises(Misuse, match="either a token"):
            Session("http://tracker.test", **more)


@pytest.mark.parametrize("token", ["itk_a\nb", "itk_a b", "itk_ö", "itk_a\x7f", "\ufeffitk_a", "itk_a\u2028"])
def test_a_token_that_no_header_carries_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(Misuse, match="not a token") as refused:
        Session("http://tracker.test", token=token)
    assert "itk_" not in str(refused.value)


@pytest.mark.parametrize("response", [reply(302, location="http://elsewhere.test/login"), reply(200, "<html>")])
def test_signing_in_at_another_program_is_reported(response: Reply) -> None:
    script = Script(response)
    with pytest.raises(UnexpectedAnswer):
        script.run(session().perform(PUT))
    assert len(script.sent) == 1


def test_an_account_with_a_second_factor_requires_a_token() -> None:
    detail = "This account signs in with a second factor. A program needs an API token instead."
    script = Script(reply(401, f'{{"detail": "{detail}", "reason": "second_factor_required", "challenge": "c"}}'))
    with pytest.raises(NotSignedIn, match="API token") as raised:
        script.run(session().perform(GET))
    assert raised.value.reason == "second_factor_required"
    assert len(script.sent) == 1
