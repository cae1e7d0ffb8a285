"""Performs plans without a network: the outcomes are given, and only pauses advance the clock."""

from collections.abc import Iterable
from typing import TypeVar

import httpx

from issue_tracker_client.steps import (
    Close,
    Done,
    Exclusive,
    Failure,
    Now,
    Outcome,
    Pause,
    Plan,
    Read,
    Reply,
    Request,
    Send,
    advance,
)

T = TypeVar("T")
LOST = Failure("the connection broke", sent=True)
UNSENT = Failure("connection refused", sent=False)


def reply(status: int, body: str = "{}", **headers: str) -> Reply:
    return Reply(status, httpx.Headers({k.replace("_", "-"): v for k, v in headers.items()}), body.encode())


def signed_in(csrf: str) -> str:
    """Returns the response to a sign-in."""
    user = '{"user_id":1,"email":"tess@x","name":"Tess","role":"technician"}'
    return f'{{"user":{user},"csrf_token":"{csrf}","expires_at":"2025-01-04T10:15:00+00:00"}}'


class Script:
    """The behaviour of the network, in order: an Outcome for each Send, and bytes, None or a Failure for each Read."""

    def __init__(self, *outcomes: Outcome, reads: Iterable[bytes | Failure | None] = ()) -> None:
        self._outcomes, self._reads = list(outcomes), list(reads)
        self.sent: list[Request] = []
        self.pauses: list[float] = []
        self.closed = 0
        self.now = 1000.0

    def run(self, plan: Plan[T]) -> T:
        step = advance(plan, None)
        while not isinstance(step, Done):
            step = advance(plan, self._result(step))
        return step.value

    def _result(self, step: object) -> object:
        match step:
            case Send(request, streamed):
                self.sent.append(request)
                outcome = self._outcomes.pop(0)
                if streamed and isinstance(outcome, Reply) and outcome.status == 200:
                    return Reply(200, outcome.headers, stream=object())
                return outcome
            case Read():
                return self._reads.pop(0)
            case Close():
                self.closed += 1
            case Pause(seconds):
                self.pauses.append(seconds)
                self.now += seconds
            case Now():
                return self.now
            case Exclusive(plan):
                self.run(plan)
        return None
