"""The story of a change.

**Change.** An operation changes rows, and in the same transaction calls `record` with what it did (`catalog`: the
types, and what an event looks like). So the change and its events are there together, or neither. On PostgreSQL an
event's number is taken in a way that lets readers know which numbers may still appear (`order`).

**Event.** A row of the append-only table `events`: who, when, through which channel, from what to what, why.
`queries` reads it as the history; technicians see issues and assignments, super admins the audit too.

**Stream.** After the commit a wake-up goes round (`waking`). One `reader` per process reads what is new, in the
order of numbers, each once; `stream` hands it to every listener of the process, `live` sends it as Server-Sent
Events. A listener that comes back catches up from the table.

**Delivery.** While it records, `record` asks which webhooks want the event, and writes one row for each
(`messages`): the message, due at once. A worker claims the row for some time, commits, and sends it (`delivery`) by
the one guarded way out (`outbound`). What it cannot send is due again later, for about a day; then the webhook is
disabled (`webhooks`), which is an event in its turn.

**Attempt.** Each try is a row of its own, written when it is claimed and completed with the answer: a worker that
is killed leaves it incomplete, and when the claim lapses another one tries.

`api` and `webhooks_api` are the way in over HTTP; `history` and `pages` tell it to people; `retention` deletes what
is not to be kept for ever.
"""
