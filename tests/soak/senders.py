"""Senders of alerts: like monitoring systems, they retry a message until it succeeds.

No other client changes the reported assignments. So each change of an alert's state must be exactly one event, however
often its message was sent, and each issue must be opened once.
"""

import httpx
from sqlalchemy import func, select

from issue_tracker.alerts.receivers import create_receiver
from issue_tracker.alerts.rule_list import create_rule
from issue_tracker.alerts.rules import Rule
from issue_tracker.alerts.senders import Kind
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import alerts, assignments, companies, events, issues
from issue_tracker.names import Name
from tests.clients import Client
from tests.soak.ledger import BrokenPromise
from tests.soak.stage import SOAK, Stage, opened
from tests.soak.writers import COMPANIES, Writer

ISSUES = 3
"""The number of issues of each sender's alerts."""

BATCH = 8
"""The maximum number of alerts in a message of a sender that groups them."""

FIRST = 100
"""The number of the first sender; writers have smaller numbers."""


class _Reported:
    """One alert: whether it is firing, how often its state has changed, and the number of consecutive confirmations."""

    def __init__(self) -> None:
        self.firing = False
        self.changes = 0
        self.confirmed = 0


class Sender(Writer):
    """One sender: of single alerts with a token, or, with `path`, of several at once to a receiver."""

    def __init__(self, number: int, stage: Stage, path: str | None) -> None:
        super().__init__(number, stage.server.url, stage.token, stage.ledger)
        self._path = path
        self._sending: dict[tuple[str, str], bool] | None = None
        names = [f"Alarm {issue} of sender {number}" for issue in range(ISSUES)]
        self._alerts = {(issue, company): _Reported() for issue in names for company in COMPANIES}

    def _change(self, client: Client) -> bool:
        """Sends the next message, or the last one again, and returns whether it succeeded."""
        if self._sending is None:
            self._sending = self._next()
        bodies = [
            {
                "key": self._key(*which),
                "state": "firing" if firing else "resolved",
                "issue": which[0],
                "company": which[1],
            }
            for which, firing in self._sending.items()
        ]
        try:
            if self._path is None:
                response = client.post(f"{self.url}/api/alerts", json=bodies[0])
            else:
                response = client.post(f"{self.url}{self._path}", json=bodies)
        except httpx.TransportError:
            return False
        if not response.is_success:
            if response.status_code != 503:
                self._ledger.problems.append(f"alerts: {response.status_code} {response.text[:300]}")
            return False
        for which, firing in self._sending.items():
            reported = self._alerts[which]
            changed = firing is not reported.firing
            reported.changes += changed
            reported.confirmed = 1 if changed else reported.confirmed + 1
            reported.firing = firing
        self._sending = None
        self.answered += 1
        return True

    def _next(self) -> dict[tuple[str, str], bool]:
        """Returns the next alerts to report, half of which are repetitions."""
        count = 1 if self._path is None else self._chance.randint(1, BATCH)
        return {
            which: not reported.firing if not reported.changes or self._chance.random() < 0.5 else reported.firing
            for which, reported in self._chance.sample(sorted(self._alerts.items(), key=lambda item: item[0]), count)
        }

    def _key(self, issue: str, company: str) -> str:
        return f"{issue}/{company}"

    def verify(self, database: Database) -> int:
        """Compares with the database, after the sender has stopped. Returns the number of confirmed changes.

        Raises BrokenPromise. The last message may or may not have arrived, and is not compared.
        """
        unknown = self._sending or {}
        for which in self._alerts.keys() - unknown.keys():
            self._verify_alert(database, which)
        with database.read() as tx:
            opened = select(events.c.issue_name, func.count()).where(events.c.type == "issue.created")
            counts: dict[str, int] = dict(tx.execute(opened.group_by(events.c.issue_name)).all())
        twice = {issue for issue, _ in self._alerts if counts.get(issue, 0) > 1}
        if twice:
            raise BrokenPromise(f"Opened more than once: {twice}.")
        return sum(reported.changes for reported in self._alerts.values())

    def _verify_alert(self, database: Database, which: tuple[str, str]) -> None:
        issue, company = which
        reported = self._alerts[which]
        types = "assignment.created", "assignment.status_changed"
        about = events.c.issue_name == issue, events.c.company_name == company, events.c.type.in_(types)
        status = (
            select(assignments.c.status)
            .join(issues, issues.c.issue_id == assignments.c.issue_id)
            .join(companies, companies.c.company_id == assignments.c.company_id)
            .where(issues.c.name == issue, companies.c.name == company)
        )
        with database.read() as tx:
            changed = tx.execute(select(func.count()).select_from(events).where(*about)).scalar_one()
            stored = tx.execute(
                select(alerts.c.state, alerts.c["count"]).where(alerts.c.key == self._key(*which))
            ).first()
            found = tx.execute(status).scalar_one_or_none()
        expected = None
        if reported.changes:
            expected = ("firing", "investigating") if reported.firing else ("resolved", "resolved")
        state = None if stored is None else (stored[0], found)
        if changed != reported.changes or state != expected or (stored is not None and stored[1] < reported.confirmed):
            raise BrokenPromise(
                f"The alert of {company} in “{issue}” was reported as {expected} after {reported.changes} changes,"
                f" {reported.confirmed} times in a row; there are {changed} changes, and {stored} with {found}."
            )


class Senders:
    """Runs the senders of a stage."""

    def __init__(self, stage: Stage, count: int = 4) -> None:
        self._stage = stage
        with opened(stage.url) as database, database.write() as tx:
            receiver, secret = create_receiver(tx, SOAK, Name("Monitoring of the soak"), Kind.GENERIC)
            # Alerts change their states constantly here, and every change must be visible.
            create_rule(tx, SOAK, Name("Nothing is flapping"), Rule(flap_changes=0))
        path = f"/api/alerts/in/{receiver.kind}/{secret}"
        self.all = [Sender(FIRST + number, stage, path if number % 2 else None) for number in range(count)]
        for sender in self.all:
            sender.start()
        # From now on the stage also waits for the senders, and stops them.
        stage.writers += self.all

    def verify(self) -> str:
        """Compares all alerts, after the stage has finished. Raises BrokenPromise."""
        with opened(self._stage.url) as database:
            changes = sum(sender.verify(database) for sender in self.all)
        return f"{changes} changes of alerts, each there once, in {sum(one.answered for one in self.all)} messages"
