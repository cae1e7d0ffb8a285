"""Which requests are sent again, and after how long."""

import random
from dataclasses import dataclass

from issue_tracker_client.steps import Failure, Outcome, Request

BUSY = (429, 502, 503, 504)  # a proxy sends 502 and 504 for a server that it cannot reach
OPEN = (502, 503, 504)  # the change may have been made: a 503 may follow a commit whose confirmation was lost
SETTLED = (400, 404, 422)  # with an Idempotency-Key these say that no response is stored: no earlier attempt succeeded


@dataclass(frozen=True)
class Retries:
    """How often and how long to retry.

    The limit of a pause doubles from `first_pause` to `longest_pause` seconds; the pause itself is random below the
    limit, so that many clients do not return at the same time. A `Retry-After` is waited for in full, plus such a
    random pause. `attempts` includes the first one. `patience` is the number of seconds after which no further
    attempt starts, counted over everything the request needs, including signing in; it also limits the timeout.
    """

    attempts: int = 6
    patience: float = 60.0
    first_pause: float = 0.5
    longest_pause: float = 20.0

    def backoff(self, failures: int) -> float:
        """Returns a random number of seconds to wait after this many consecutive failures."""
        return random.uniform(0, min(self.longest_pause, self.first_pause * 2 ** min(failures - 1, 30)))

    def pause(self, request: Request, outcome: Outcome, failures: int, elapsed: float) -> float | None:
        """Returns the seconds to wait before the next attempt, or None if this outcome is final.

        `failures` counts the attempts so far, `elapsed` is the time since the first one in seconds.
        """
        left = self.patience - elapsed
        if failures >= self.attempts or not left > 0 or not worth_repeating(request, outcome):
            return None
        retry_after = None if isinstance(outcome, Failure) else outcome.retry_after
        if retry_after is None:
            return min(self.backoff(failures), left)
        return min(retry_after + self.backoff(1), left) if retry_after <= left else None


NEVER = Retries(attempts=1)
ANY_NUMBER = 1_000_000  # of attempts: only `patience` ends them
SHORTEST_TIMEOUT = 1.0  # seconds: even the last attempt gets this long


@dataclass
class Effort:
    """The progress of one call over all of its attempts, its sign-in and the renewal of its session.

    `started` is a time of the monotonic clock. `maybe_done` says whether the requested change may have been made.
    """

    policy: Retries
    started: float
    maybe_done: bool = False

    def timeout(self, now: float, longest: float) -> float:
        """Returns the timeout in seconds of an attempt that starts now: `longest`, or what is left of the patience."""
        return min(longest, max(SHORTEST_TIMEOUT, self.started + self.policy.patience - now))

    def learn(self, request: Request, outcome: Outcome) -> None:
        """Updates `maybe_done` from the outcome of an attempt."""
        if not request.changing:
            return
        if isinstance(outcome, Failure):
            self.maybe_done = self.maybe_done or outcome.sent
        elif outcome.status in OPEN:
            self.maybe_done = True
        elif request.keyed and outcome.status in SETTLED:
            self.maybe_done = False


def worth_repeating(request: Request, outcome: Outcome) -> bool:
    """Returns whether sending the request again may help and can do no harm.

    A request that did not reach the server, or that the server rejected with 429, can always be sent again. If it
    may have succeeded (the response was lost, or its status is in OPEN), only a repeatable request can. A 409 to a
    request with an Idempotency-Key says that an earlier attempt is still running, so the client waits for its
    response.
    """
    if isinstance(outcome, Failure):
        return request.repeatable or not outcome.sent
    if outcome.status in BUSY:
        return request.repeatable or outcome.status == 429
    return outcome.status == 409 and request.keyed
