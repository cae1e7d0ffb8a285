"""The number of attempts that a worker makes at the same time, in total and per webhook.

A receiver that does not respond occupies its slot until the timeout. So that such receivers do not delay others, a
webhook has one slot until it has responded, and all webhooks whose last attempt timed out share a part of the slots.
"""

import threading
from collections import Counter

TOTAL = 64
"""Maximum number of concurrent attempts. Each is a waiting thread."""

PER_WEBHOOK = 4
"""Maximum for a webhook whose receiver responded to the last attempt."""

TIMED_OUT_TOTAL = 16
"""Maximum for all webhooks together whose last attempt timed out."""


class Slots:
    """The slots of one worker. Safe to use from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._busy: Counter[int] = Counter()
        self._answered: dict[int, bool] = {}

    def take(self, webhook_id: int) -> bool:
        """Takes a slot for an attempt to this webhook. Returns False if none is free for it."""
        with self._guard:
            free = self._free(webhook_id)
            if free:
                self._busy[webhook_id] += 1
            return free

    def full(self, webhook_id: int) -> bool:
        """Returns whether `take` would return False now."""
        with self._guard:
            return not self._free(webhook_id)

    def release(self, webhook_id: int, *, answered: bool | None) -> None:
        """Releases a slot. `answered`: the receiver responded (True), timed out (False), or neither is known (None)."""
        with self._guard:
            self._busy[webhook_id] -= 1
            if not self._busy[webhook_id]:
                del self._busy[webhook_id]
            if answered is not None:
                self._answered[webhook_id] = answered

    @property
    def busy(self) -> int:
        """Number of attempts in progress."""
        with self._guard:
            return self._busy.total()

    def _free(self, webhook_id: int) -> bool:
        answered = self._answered.get(webhook_id)
        if self._busy.total() >= TOTAL or self._busy[webhook_id] >= (PER_WEBHOOK if answered else 1):
            return False
        if answered is not False:
            return True
        return sum(count for id_, count in self._busy.items() if self._answered.get(id_) is False) < TIMED_OUT_TOTAL
