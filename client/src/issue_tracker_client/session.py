"""Who the client is to the server: it signs in or shows a token, and sends until there is an answer."""

import dataclasses
from typing import TypedDict, Unpack

from issue_tracker_client.errors import Misuse, Unreachable, refusal, unexpected
from issue_tracker_client.models import SignedIn, decoder
from issue_tracker_client.retrying import Effort, Retries
from issue_tracker_client.spelling import check_headers, json_request, secret_text, server_url
from issue_tracker_client.steps import SAFE, Alone, Failure, Now, Outcome, Pause, Plan, Reply, Request, Send

read_session = decoder(SignedIn)


class Options(TypedDict, total=False):
    """What `Tracker` and `AsyncTracker` take beside the server's URL: a `token`, or `email` and `password`.

    `timeout` is the seconds to wait for each answer (5 at most for the connection); `user_agent` names the
    program in the server's log.
    """

    token: str
    email: str
    password: str
    retries: Retries
    timeout: float
    user_agent: str


class Session:
    """One client's standing with one server. Holds no connection: its methods are plans.

    With email and password it signs in before the first request, and again when the session has ended. Raises
    Misuse for a URL that is not http(s), for a token that no header can carry, and for anything but one way of
    signing in.
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
        """The success (2xx, or the 304 that was asked for), after as many attempts as the policy allows.

        Raises Misuse for a header that cannot be sent, Refused (by status) for an answer of 400 or above,
        UnexpectedAnswer for any other, which no part of the tracker gives, Unreachable when there is none. A
        session that has ended is renewed once: a 401 says that nothing was done. So does a 403 to a request
        that met another thread's renewal half way, with the new cookie and the old CSRF token.
        """
        check_headers(request.headers)
        started: float = yield Now()
        effort = Effort(retries or self.retries, started)
        if self._email and not self._signed_in:
            yield Alone(self._sign_in(self._sign_ins, effort))
        before = self._sign_ins
        reply = yield from self._attempts(request, effort, streamed)
        renewed = self._sign_ins != before
        if self._email and (reply.status == 401 or (reply.status == 403 and renewed)):
            yield Alone(self._sign_in(before, effort))
            reply = yield from self._attempts(request, effort, streamed)
        if reply.status >= 400:
            raise refusal(reply, maybe_done=effort.maybe_done)
        asked_for = reply.status == 304 and "if-none-match" in request.headers
        if reply.status >= 300 and not asked_for:
            raise unexpected(reply)
        return reply

    def execute(self, request: Request) -> Plan[None]:
        """Perform a request that the contract answers with 204, and raise UnexpectedAnswer for another success."""
        reply = yield from self.perform(request)
        if reply.status != 204:
            raise unexpected(reply)

    def sign_out(self) -> Plan[None]:
        """End the session that this client began, if any. Tries once and lets a failure be: sessions
        expire.
        """
        if self._signed_in:
            yield Send(self._dressed(Request("POST", "/api/auth/logout")))
            self._signed_in = None

    def _sign_in(self, known: int, effort: Effort) -> Plan[None]:
        """Sign in, unless another thread did since `known` sign-ins had been counted.

        Carries no Idempotency-Key: a second sign-in harms nothing, and the server must not keep the answer.
        """
        if self._sign_ins != known:
            return
        credentials = {"email": self._email, "password": self._password}
        request = json_request("POST", "/api/auth/login", credentials)
        request = dataclasses.replace(request, signing_in=True)
        self._signed_in = None
        reply = yield from self._attempts(request, effort)
        if reply.status >= 400:
            raise refusal(reply, maybe_done=effort.maybe_done)
        if reply.status != 200:
            raise unexpected(reply)
        self._signed_in = read_session(reply)
        self._sign_ins += 1

    def _attempts(self, request: Request, effort: Effort, streamed: bool = False) -> Plan[Reply]:
        """The first answer that is not worth another attempt."""
        failures = 0
        while True:
            now: float = yield Now()
            timeout = effort.timeout(now, self.timeout)
            outcome: Outcome = yield Send(dataclasses.replace(self._dressed(request), timeout=timeout), streamed)
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

    def _dressed(self, request: Request) -> Request:
        """The request as it goes out now: with the credentials of this moment."""
        headers = {"user-agent": self._agent, "accept": "application/json", **request.headers}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        elif self._signed_in and request.method not in SAFE:
            headers["x-csrf-token"] = self._signed_in.csrf_token
        return dataclasses.replace(request, headers=headers)
