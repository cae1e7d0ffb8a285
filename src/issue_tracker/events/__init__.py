"""From a change to the history, the live stream and webhooks.

**Recording.** An operation changes rows and, in the same transaction, calls `record` with a list of what it did
(`catalog` defines the event types and the form of an event). Either the change and its events are committed, or
neither is. On PostgreSQL, event ids are assigned in such a way that readers know which lower ids may still appear
(`order`).

**History.** An event is a row of the append-only table `events`: actor, time, channel, old and new value, and reason.
`queries` reads it. Technicians see the events of issues and assignments, super admins also the audit events, and every
user only what their company access reveals. `sentences` turns events into sentences for people.

**Stream.** A commit that recorded events notifies the readers of all processes (`commit_notifications`). Each process
has one `reader`, which reads every new event once, in the order of ids, and encodes it. `stream` passes the encoded
events to every `listener` of the process. A listener that reconnects first catches up from the table.

**Webhooks.** `record` passes the events to the outbox of the transaction (`messages`). Just before the commit, the
outbox turns everything that the request did into messages, and writes one delivery, due immediately, for each webhook
with a matching subscription. A worker claims deliveries for a limited time (`claims`), as many as it has free slots
(`slots`), commits, and sends each of them (`delivery`) through the one guarded module that opens connections
(`outbound`). A failed delivery is retried for about a day; then the webhook is disabled (`webhooks`), which is itself
an event.

**Attempts.** Each attempt is a separate row, written when the delivery is claimed and completed with the outcome
(`attempts`). If a worker is killed, the row remains incomplete; when the claim expires, another worker marks the
attempt as lost, and tries again. Lost attempts do not count against the receiver.

`retention` deletes what is not stored forever.
"""
