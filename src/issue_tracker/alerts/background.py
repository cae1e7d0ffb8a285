"""What each server process does about alerts besides answering requests, each in a thread of its own."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from issue_tracker.alerts.due import DueAlerts
from issue_tracker.alerts.feeds.polling import FeedPolls
from issue_tracker.alerts.feeds.stored import ClaimedFeed
from issue_tracker.alerts.mailboxes.polling import MailboxPolls
from issue_tracker.alerts.mailboxes.stored import ClaimedMailbox
from issue_tracker.alerts.polling.poller import Polling
from issue_tracker.database.engine import Database
from issue_tracker.database.server_key import ServerKey
from issue_tracker.settings import Settings


def alert_threads(
    database: Database,
    settings: Settings,
    server_key: ServerKey,
    registry: CollectorRegistry,
    count: Callable[[str, str, int], None],
) -> tuple[DueAlerts, Polling[ClaimedFeed], Polling[ClaimedMailbox]]:
    """Returns the handling of due alerts, and the polling of feeds and of mailboxes.

    `count` is called with the name of a receiver, an outcome, and the number of alerts that had it.
    """
    feeds = FeedPolls(database, settings, count)
    mailboxes = MailboxPolls(database, settings, server_key, registry, count)
    return DueAlerts(database), Polling(database, feeds, registry), Polling(database, mailboxes, registry)
