"""When to send a request again, and after how long."""

import random
from dataclasses import dataclass

from issue_tracker_client.steps import Failure, Outcome, Request

BUSY = (429, 502, 503, 504)  # 502 and 504 are a proxy's words for a server that is out of reach


@dataclass(frozen=True)
class Retries:
    """How long to go on. Pauses double from `first_pause` to `longest_pause` seconds, drawn at random below
    that, so that many clients do not come back together; a `Retry-After` is waited out in full, plus
    such a draw.

    `attempts` counts the first one too; `patience` is the seconds after which no further attempt starts.
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
        if failures >= self.attempts or not worth_repeating(request, outcome):
            return None
        asked = None if isinstance(outcome, Failure) else outcome.retry_after
        pause = self.backoff(failures if asked is None else 1) + (asked or 0.0)
        return pause if elapsed + pause <= self.patience else None


NEVER = Retries(attempts=1)


def worth_repeating(request: Request, outcome: Outcome) -> bool:
    """Whether sending it again may help and cannot harm.

    A request that did not reach the server, or that it turned away with 429, can always be sent again.
    Where it may have been carried out (answer lost, 502, 503, 504), only a repeatable one. A 409 to a
    request with an Idempotency-Key says that an earlier attempt is still running, so its answer is worth
    waiting for.
    """
    if isinstance(outcome, Failure):
        return request.repeatable or not outcome.sent
    if outcome.status in BUSY:
        return request.repeatable or outcome.status == 429
    return outcome.status == 409 and "idempotency-key" in request.headers
