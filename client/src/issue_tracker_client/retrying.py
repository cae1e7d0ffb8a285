"""When to send a request again, and after how long."""

import random
from dataclasses import dataclass

from issue_tracker_client.steps import Failure, Outcome, Request

BUSY = (429, 502, 503, 504)  # 502 and 504 are a proxy's words for a server that is out of reach
OPEN = (502, 503, 504)  # nobody knows whether it was carried out: a 503 may tell of a commit without an answer
SETTLED = (400, 404, 422)  # with an Idempotency-Key, said in place of a stored answer: no earlier attempt did it


@dataclass(frozen=True)
class Retries:
    """How long to go on. Pauses double from `first_pause` to `longest_pause` seconds, drawn at random below
    that, so that many clients do not come back together; a `Retry-After` is waited out in full, plus
    such a draw.

    `attempts` counts the first one too. `patience` is the seconds after which no further attempt starts, for
    the request with all that it needs (signing in, too); shorter than the timeout, it cuts that as well.
    """

    attempts: int = 6
    patience: float = 60.0
    first_pause: float = 0.5
    longest_pause: float = 20.0

    def backoff(self, failures: int) -> float:
        """Seconds to wait after this many failures in a row, at random."""
        return random.uniform(0, min(self.longest_pause, self.first_pause * 2 ** min(failures - 1, 30)))

    def pause(self, request: Request, outcome: Outcome, failures: int, elapsed: float) -> float | None:
        """Seconds to wait before sending again, or None when this outcome is to be taken as it is."""
        left = self.patience - elapsed
        if failures >= self.attempts or not left > 0 or not worth_repeating(request, outcome):
            return None
        asked = None if isinstance(outcome, Failure) else outcome.retry_after
        if asked is None:
            return min(self.backoff(failures), left)
        return min(asked + self.backoff(1), left) if asked <= left else None


NEVER = Retries(attempts=1)
ANY_NUMBER = 1_000_000  # of attempts: patience alone sets the end
SHORTEST_TIMEOUT = 1.0  # seconds that even the last attempt gets


@dataclass
class Effort:
    """What one call of the caller's has taken so far, over its attempts, its sign-in and its renewal.

    `maybe_done` says whether the change that is asked for may have been made.
    """

    policy: Retries
    started: float
    maybe_done: bool = False

    def timeout(self, now: float, longest: float) -> float:
        """Seconds for an attempt that starts now: no more than is left."""
        return min(longest, max(SHORTEST_TIMEOUT, self.started + self.policy.patience - now))

    def learn(self, request: Request, outcome: Outcome) -> None:
        """Take note of what an attempt says about the change."""
        if not request.changing:
            return
        if isinstance(outcome, Failure):
            self.maybe_done = self.maybe_done or outcome.sent
        elif outcome.status in OPEN:
            self.maybe_done = True
        elif request.keyed and outcome.status in SETTLED:
            self.maybe_done = False


def worth_repeating(request: Request, outcome: Outcome) -> bool:
    """Whether sending it again may help and cannot harm.

    A request that did not reach the server, or that it turned away with 429, can always be sent again.
    Where it may have been carried out (answer lost, OPEN), only a repeatable one. A 409 to a request with an
    Idempotency-Key says that an earlier attempt is still running, so its answer is worth waiting for.
    """
    if isinstance(outcome, Failure):
        return request.repeatable or not outcome.sent
    if outcome.status in BUSY:
        return request.repeatable or outcome.status == 429
    return outcome.status == 409 and request.keyed
