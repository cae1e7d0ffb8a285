"""The lock on a receiver whose message is being handled."""

from sqlalchemy import Connection, bindparam, select

from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import alert_receivers
from issue_tracker.database.types import Id


def hold_receiver(tx: Connection, receiver_id: int) -> bool:
    """Returns whether a receiver exists and is active. It is then neither deleted nor switched off before the end of
    the transaction; otherwise alerts could remain that never end, because nothing reports them any longer.

    Call it before anything else of the receiver is locked, as changes of receivers do.
    """
    return _held.row(tx, id=receiver_id) is not None


_held = Prepared(
    lambda _: (
        select(alert_receivers.c.id)
        .where(alert_receivers.c.id == bindparam("id", type_=Id), alert_receivers.c.active)
        .with_for_update(read=True, key_share=True)
    )
)
