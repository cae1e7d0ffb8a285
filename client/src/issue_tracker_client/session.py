"""The client's session with the server: it authenticates every request, and retries until there is a response."""

import dataclasses
from typing import TypedDict, Unpack

from issue_tracker_client.errors import Misuse, Unreachable, explanation, refusal, unexpected
from issue_tracker_client.models import SignedIn, decoder
from issue_tracker_client.retrying import Effort, Retries
from issue_tracker_client.spelling import check_headers, json_request, secret_text, server_url
from issue_tracker_client.steps import SAFE, Exclusive, Failure, Now, Outcome, Pause, Plan, Reply, Request, Send

read_session = decoder(SignedIn)


class Options(TypedDict, total=False):
    """The arguments of `Tracker` and `AsyncTracker` besides the server's URL: a `token`, or `email` and `password`.

    `timeout` is the number of seconds to wait for each response (at most 5 of them for the connection);
    `user_agent` is the program's name in the server's log.
    """

    token: str
    email: str
    password: str
    retries: Retries
    timeout: float
    user_agent: str


CONFIRMATION_REQUIRED = "confirmation_required"
"""The reason with which a change to credentials is refused: the sign-in of the session is too long ago."""


class Session:
    """One account's session with one server. It holds no connection: its methods are plans.

    With email and password it signs in before the first request, and again when the session has ended. Raises
    Misuse for a URL that is not http(s), for a token that no header can carry, and unless exactly one way of
    authenticating is given.
    """

    def __init__(self, url: str, **options: Unpack[Options]) -> None:
        self.url = server_url(url)
        self.retries = options.get("retries", Retries())
        self.timeout = options.get("timeout", 30.0)
        self._token = secret_text(options.get("token"))
        self._email, self._password = options.get("email"), options.get("password")
        both, any_of_them = bool(self._email and self._password), bool(self._email or self._password)
        if both != any_of_them or bool(self._token) == both:
            raise Misuse("give either a token, or email and password")
        self._agent = options.get("user_agent", "issue-tracker-client/0.1")
        check_headers({"user-agent": self._agent})
        self._signed_in: SignedIn | None = None
        self._sign_ins = 0

    def perform(self, request: Request, *, streamed: bool = False, retries: Retries | None = None) -> Plan[Reply]:
        """Sends the request, with as many attempts as the policy allows, and returns the successful reply.

        A reply is successful with a 2xx status, or with 304 if the request has If-None-Match. Raises Misuse for a
        header that cannot be sent, Refused (its subclass by status) for a status of 400 or above, UnexpectedAnswer
        for any other status, which the tracker never sends, Unreachable when there is no response.

        A session that has ended is renewed once: a 401 says that the request did nothing. So does a 403 to a
        request that was sent while another thread renewed the session, with the new cookie and the old CSRF token.
        A change to credentials that needs a confirmation is confirmed with the password, and sent again.
        """
        check_headers(request.headers)
        started: float = yield Now()
        effort = Effort(retries or self.retries, started)
        if self._email and not self._signed_in:
            yield Exclusive(self._sign_in(self._sign_ins, effort))
        before = self._sign_ins
        reply = yield from self._attempts(request, effort, streamed)
        renewed = self._sign_ins != before
        if self._email and (reply.status == 401 or (reply.status == 403 and renewed)):
            yield Exclusive(self._sign_in(before, effort))
            reply = yield from self._attempts(request, effort, streamed)
        if self._email and reply.status == 403 and explanation(reply).reason == CONFIRMATION_REQUIRED:
            yield from self._confirm(effort)
            reply = yield from self._attempts(request, effort, streamed)
        if reply.status >= 400:
            raise refusal(reply, maybe_done=effort.maybe_done)
        not_modified = reply.status == 304 and "if-none-match" in request.headers
        if reply.status >= 300 and not not_modified:
            raise unexpected(reply)
        return reply

    def execute(self, request: Request) -> Plan[None]:
        """Like `perform`, for a request that succeeds with 204: raises UnexpectedAnswer for any other success."""
        reply = yield from self.perform(request)
        if reply.status != 204:
            raise unexpected(reply)

    def sign_out(self) -> Plan[None]:
        """Ends the session that this client started, if any. Tries once and ignores a failure: sessions expire."""
        if self._signed_in:
            yield Send(self._authenticated(Request("POST", "/api/auth/logout")))
            self._signed_in = None

    def _sign_in(self, known: int, effort: Effort) -> Plan[None]:
        """Signs in, unless the client has signed in more than `known` times, which means that another thread has
        already done so.

        The request has no Idempotency-Key: a second sign-in is harmless, and the server must not store the response.
        """
        if self._sign_ins != known:
            return
        credentials = {"email": self._email, "password": self._password}
        request = json_request("POST", "/api/auth/login", credentials)
        request = dataclasses.replace(request, signing_in=True, harmless=True)
        self._signed_in = None
        reply = yield from self._attempts(request, effort)
        if reply.status >= 400:
            raise refusal(reply, maybe_done=effort.maybe_done)
        if reply.status != 200:
            raise unexpected(reply)
        self._signed_in = read_session(reply)
        self._sign_ins += 1

    def _confirm(self, effort: Effort) -> Plan[None]:
        """Proves the password once more, for changes to credentials."""
        request = json_request("POST", "/api/auth/confirm", {"password": self._password})
        reply = yield from self._attempts(dataclasses.replace(request, harmless=True), effort)
        if reply.status >= 400:
            raise refusal(reply, maybe_done=effort.maybe_done)

    def _attempts(self, request: Request, effort: Effort, streamed: bool = False) -> Plan[Reply]:
        """Sends the request until its outcome is final. Returns the last reply, or raises Unreachable."""
        failures = 0
        while True:
            now: float = yield Now()
            timeout = effort.timeout(now, self.timeout)
            outcome: Outcome = yield Send(dataclasses.replace(self._authenticated(request), timeout=timeout), streamed)
            failures += 1
            effort.learn(request, outcome)
            now = yield Now()
            pause = effort.policy.pause(request, outcome, failures, now - effort.started)
            if pause is None:
                break
            yield Pause(pause)
        if isinstance(outcome, Failure):
            raise Unreachable(outcome.reason, maybe_done=effort.maybe_done)
        return outcome

    def _authenticated(self, request: Request) -> Request:
        """The request with the current credentials and the headers that all requests have."""
        headers = {"user-agent": self._agent, "accept": "application/json", **request.headers}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        elif self._signed_in and request.method not in SAFE:
            headers["x-csrf-token"] = self._signed_in.csrf_token
        return dataclasses.replace(request, headers=headers)
