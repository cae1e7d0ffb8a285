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

    def free(self, webhook_id: int) -> int:
        """How many attempts to this webhook may begin now."""
        with self._guard:
            answered = self._answered.get(webhook_id)
            free = min((PER_WEBHOOK if answered else 1) - self._busy[webhook_id], TOTAL - self._busy.total())
            if answered is False:
                held = sum(count for id_, count in self._busy.items() if self._answered.get(id_) is False)
                free = min(free, TIMED_OUT_TOTAL - held)
            return max(free, 0)

    def take(self, webhook_id: int) -> None:
        """An attempt to this webhook begins."""
        with self._guard:
            self._busy[webhook_id] += 1

    def release(self, webhook_id: int, *, answered: bool | None) -> None:
        """An attempt has ended: it was answered, timed out (False), or says nothing about the receiver (None)."""
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
