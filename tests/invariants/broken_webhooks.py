"""Violations in deliveries and their messages."""

from tests.invariants.broken import (
    COPIED,
    COPY_A_DELIVERY,
    DELIVERED,
    DELIVERIES,
    FAILED,
    MESSAGES,
    OUTBOX,
    PENDING,
    RETRIED,
    Broken,
)

EIGHT = "(VALUES (1), (2), (3), (4), (5), (6), (7), (8)) AS eight"

WEBHOOKS_BROKEN = (
    Broken(
        "unknown state",
        DELIVERIES,
        "is lost and not in a valid state",
        f"UPDATE deliveries SET state = 'lost' WHERE id = {PENDING}",
    ),
    Broken(
        "failures without attempts",
        DELIVERIES,
        "counts 3 failures, but 0 attempts ended",
        f"UPDATE deliveries SET attempts = 3 WHERE id = {PENDING}",
    ),
    Broken(
        "too many failures",
        DELIVERIES,
        "is pending and has failed 8 times",
        f"INSERT INTO delivery_attempts (delivery_id, at, code) SELECT id, created_at, 500 FROM deliveries, {EIGHT}"
        f" WHERE id = {RETRIED}; UPDATE deliveries SET attempts = 8 WHERE id = {RETRIED}",
    ),
    Broken(
        "claim without an attempt",
        DELIVERIES,
        "is pending and claimed, but no attempt runs",
        f"UPDATE deliveries SET claim = 'someone' WHERE id = {RETRIED}",
    ),
    Broken(
        "claim of what is done",
        DELIVERIES,
        "is delivered and still claimed",
        f"UPDATE deliveries SET claim = 'someone' WHERE id = {DELIVERED}",
    ),
    Broken(
        "delivered without success",
        DELIVERIES,
        "is delivered and no attempt was successful",
        f"UPDATE delivery_attempts SET code = 500 WHERE delivery_id = {DELIVERED}",
    ),
    Broken(
        "given up too early",
        DELIVERIES,
        "is failed and has failed only 1 times, and no receiver responded with 410",
        f"UPDATE delivery_attempts SET code = 500 WHERE delivery_id = {FAILED}",
    ),
    Broken(
        "one message twice",
        DELIVERIES,
        r"Webhook \d+ has 2 deliveries of the message msg_",
        f"{COPY_A_DELIVERY} message_id {COPIED} WHERE id = {PENDING}",
    ),
    Broken(
        "message of a transaction that was rolled back",
        MESSAGES,
        r"Delivery \d+ is about event \d+, which is not in the history",
        "DELETE FROM events WHERE issue_name = 'Still to be sent'",
    ),
    Broken(
        "message of another type",
        MESSAGES,
        "has the type issue.updated, and its message another one",
        f"UPDATE deliveries SET type = 'issue.updated' WHERE id = {PENDING}",
    ),
    Broken(
        "lost message",
        OUTBOX,
        r"has 0 messages about event \d+ \(issue.created\) instead of one",
        f"DELETE FROM deliveries WHERE id = {PENDING}",
    ),
    Broken(
        "lost message of an undo",
        OUTBOX,
        r"has 0 messages about event \d+ \(assignment.status_changed\) instead of one",
        'DELETE FROM deliveries WHERE body LIKE \'%"request_id":"undone"%\'',
    ),
    Broken(
        "lost message to a limited webhook",
        OUTBOX,
        r"Webhook \d+ has 0 messages about event \d+ \(issue.created\) instead of one",
        "DELETE FROM deliveries WHERE type = 'issue.created'"
        " AND webhook_id = (SELECT id FROM webhooks WHERE company_ids <> '[]')",
    ),
    Broken(
        "second message",
        OUTBOX,
        r"has 2 messages about event \d+",
        f"{COPY_A_DELIVERY} 'msg_2' {COPIED} WHERE id = {PENDING}",
    ),
    Broken(
        "two messages of one kind",
        OUTBOX,
        "has 2 messages of the type assignment.status_changed for the one request",
        f"{COPY_A_DELIVERY} 'msg_2' {COPIED} WHERE type = 'assignment.bulk_status_changed'",
    ),
)
