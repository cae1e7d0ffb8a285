"""Receivers of alerts on the pages that only one kind of them has."""

from issue_tracker.alerts.receivers import Receiver, get_receiver
from issue_tracker.alerts.senders import Kind
from issue_tracker.errors import NotFound
from issue_tracker.http.request import Request


def receiver_of_kind(request: Request, receiver_id: int, kind: Kind) -> Receiver:
    """Returns a receiver of this kind. Raises NotFound for a receiver of another kind, too, which has no such page."""
    receiver = get_receiver(request.tx, request.actor, receiver_id)
    if receiver.kind is not kind:
        raise NotFound("There is no such receiver.")
    return receiver
