"""How many attempts a worker makes at the same time, and to which webhooks.

A receiver that does not answer holds its slot until the time limit. So that such receivers do not delay others, a
webhook has one slot until it has answered, and those that timed out last share a part of all slots only.
"""

import threading
from collections import Counter

TOTAL = 64
"""Attempts at the same time. Each is a thread that waits."""

PER_WEBHOOK = 4
"""For a webhook whose last attempt was answered."""

TIMED_OUT_TOTAL = 16
"""For all webhooks together whose last attempt timed out."""


class Slots:
    """The slots of one worker. Safe to use from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._busy: Counter[int] = Counter()
        self._answered: dict[int, bool] = {}

    def take(self, webhook_id: int) -> bool:
        """Takes a slot for an attempt to this webhook. False if none is free for it."""
        with self._guard:
            free = self._free(webhook_id)
            if free:
                self._busy[webhook_id] += 1
            return free

    def full(self, webhook_id: int) -> bool:
        """Whether `take` would return False now."""
        with self._guard:
            return not self._free(webhook_id)

    def release(self, webhook_id: int, *, answered: bool | None) -> None:
        """Gives a slot back. The attempt was answered, timed out (False), or says nothing about the receiver (None)."""
        with self._guard:
            self._busy[webhook_id] -= 1
            if not self._busy[webhook_id]:
                del self._busy[webhook_id]
            if answered is not None:
                self._answered[webhook_id] = answered

    @property
    def busy(self) -> int:
        """How many attempts are under way."""
        with self._guard:
            return self._busy.total()

    def _free(self, webhook_id: int) -> bool:
        answered = self._answered.get(webhook_id)
        if self._busy.total() >= TOTAL or self._busy[webhook_id] >= (PER_WEBHOOK if answered else 1):
            return False
        if answered is not False:
            return True
        return sum(count for id_, count in self._busy.items() if self._answered.get(id_) is False) < TIMED_OUT_TOTAL
