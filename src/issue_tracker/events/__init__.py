"""From a change to its history, the live stream and webhooks.

**Recording.** An operation changes rows and, in the same transaction, calls `record` with a list of what it did
(`catalog` defines the types, and what an event looks like). Either the change and its events are committed, or
neither. On PostgreSQL the number of an event is taken in such a way that readers know which lower numbers may still
appear (`order`).

**History.** An event is a row of the append-only table `events`: who, when, through which channel, from what to what,
and why. `queries` reads it. Technicians see the events of issues and assignments, super admins the audit events too,
and everyone only what their company access reveals. `sentences` phrases events for people.

**Stream.** A commit that recorded events notifies the readers of all processes (`commit_notifications`). Each process
has one `reader`, which reads every new event once, in the order of numbers, and encodes it. `stream` hands the encoded
events to every `listener` of the process. A listener that reconnects first catches up from the table.

**Webhooks.** `record` hands the events to the outbox of the transaction (`messages`). Just before the commit the outbox
turns all that the request did into messages, and writes one delivery for each webhook that subscribed, due immediately.
A worker claims deliveries for some time (`claims`), as many as it has slots for (`slots`), commits, and sends each
(`delivery`) through the one guarded module that opens connections (`outbound`). What could not be sent is due again
later, for about a day; then the webhook is disabled (`webhooks`), which is an event in its turn.

**Attempts.** Each attempt is a row of its own, written when the delivery is claimed and completed with the outcome
(`attempts`). A worker that is killed leaves the row incomplete; when its claim lapses, another worker marks the attempt
as lost, and tries. Lost attempts do not count against the receiver.

`retention` deletes what is not stored forever.
"""
