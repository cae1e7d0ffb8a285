"""Deliveries of webhook messages: their states fit their attempts, and their messages fit the history."""

from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, func, select

from issue_tracker.actor import Actor
from issue_tracker.database.tables import deliveries, delivery_attempts, events
from issue_tracker.events.attempts import SCHEDULE
from issue_tracker.events.catalog import SIGN_INS
from issue_tracker.events.claims import LOST
from issue_tracker.events.messages import TEST
from issue_tracker.events.queries.webhooks import State
from issue_tracker.invariants.queries.streams import columns, pieces, stream, together

FEW = 20
"""Number of messages held in memory at a time: a message about hundreds of companies is large."""


class _Delivery(msgspec.Struct, frozen=True):
    id: int
    state: str
    attempts: int
    claim: str | None


class _Attempt(msgspec.Struct, frozen=True):
    id: int
    code: int | None
    error: str | None

    @property
    def running(self) -> bool:
        return self.code is None and self.error is None


def impossible_deliveries(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields deliveries whose state, failures or claim contradict their attempts, and repeated messages."""
    stored = select(*columns(deliveries, _Delivery)).order_by(deliveries.c.id)
    tried = select(delivery_attempts.c.delivery_id.label("id"), delivery_attempts.c.code, delivery_attempts.c.error)
    for delivery_id, found in together(
        "id",
        (_Delivery(**row._mapping) for row in stream(tx, actor, stored)),
        (
            _Attempt(**row._mapping)
            for row in stream(tx, actor, tried.order_by(delivery_attempts.c.delivery_id, delivery_attempts.c.id))
        ),
    ):
        attempts = [part for part in found if isinstance(part, _Attempt)]
        for delivery in found:
            if isinstance(delivery, _Delivery) and (problem := _problem(delivery, attempts)):
                yield f"Delivery {delivery_id} is {delivery.state} and {problem}."
    same = deliveries.c.webhook_id, deliveries.c.message_id
    for webhook_id, message_id, count in stream(
        tx, actor, select(*same, func.count()).group_by(*same).having(func.count() > 1)
    ):
        yield f"Webhook {webhook_id} has {count} deliveries of the message {message_id}."


def _problem(delivery: _Delivery, attempts: list[_Attempt]) -> str | None:
    codes = {attempt.code for attempt in attempts}
    failed = sum(1 for attempt in attempts if not attempt.running and attempt.error != LOST)
    if delivery.state not in tuple(State):
        return "not in a valid state"
    if delivery.attempts > failed:
        return f"counts {delivery.attempts} failures, but {failed} attempts ended"
    if delivery.state == State.PENDING:
        if delivery.attempts > len(SCHEDULE):
            return f"has failed {delivery.attempts} times, which is once too often"
        if delivery.claim and not any(attempt.running for attempt in attempts):
            return "claimed, but no attempt runs"
        return None
    if delivery.claim:
        return "still claimed"
    if delivery.state == State.DELIVERED and not any(code and 200 <= code < 300 for code in codes):
        return "no attempt was successful"
    if delivery.state == State.FAILED and delivery.attempts <= len(SCHEDULE) and 410 not in codes:
        return f"has failed only {delivery.attempts} times, and no receiver responded with 410"
    return None


def unfounded_messages(tx: Connection, actor: Actor) -> Iterator[str]:
    """Yields messages about events that are not in the history, such as those of a transaction that was rolled back."""
    for piece in pieces(_subjects(tx, actor)):
        query = select(events.c.event_id).where(events.c.event_id.in_({subject.event_id for subject in piece}))
        recorded = set(tx.execute(query).scalars())
        for subject in piece:
            if subject.type != subject.type_of_message:
                yield f"Delivery {subject.delivery_id} has the type {subject.type}, and its message another one."
            # The audit of sign-ins is deleted after its retention.
            elif subject.event_id not in recorded and subject.type not in SIGN_INS:
                yield f"Delivery {subject.delivery_id} is about event {subject.event_id}, which is not in the history."


class _Subject(msgspec.Struct, frozen=True):
    """One of the events that a message is about."""

    delivery_id: int
    type: str
    type_of_message: str
    event_id: int


def _subjects(tx: Connection, actor: Actor) -> Iterator[_Subject]:
    for row in stream(tx, actor, select(deliveries).order_by(deliveries.c.id), at_once=FEW):
        if row.type != TEST:
            message = msgspec.json.decode(row.body)
            for event in message["data"].get("events", [message["data"]]):
                yield _Subject(row.id, row.type, message["type"], event["event_id"])
