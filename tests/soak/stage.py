"""A database under load, into which failures are injected: writers, webhooks, a server with its workers."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from random import Random

from sqlalchemy import func, select

from issue_tracker.actor import command_line
from issue_tracker.auth.tokens import Scope, create_token
from issue_tracker.auth.users import get_user_by_email
from issue_tracker.companies.operations import create_missing_companies
from issue_tracker.companies.queries import get_company_by_name
from issue_tracker.database.engine import Database
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import deliveries
from issue_tracker.events.webhooks import WebhookFields, create_webhook
from issue_tracker.invariants.checker import check
from issue_tracker.issues.operations import create_issue
from issue_tracker.names import parse_issue_name, parse_name
from issue_tracker.settings import Settings
from tests.events import receiver as responses
from tests.events.receiver import Receiver
from tests.processes import ADMIN, ServeProcess
from tests.soak.ledger import BrokenPromise, Figures, Ledger
from tests.soak.writers import COMPANIES, SHARED, Writer

SOAK = command_line("soak")
WRITERS = 3
ROUND = 3
"""The number of responses that every writer must get before the next failure."""

PATIENCE_SECONDS = 90

_orphan = re.compile(
    r"^Traceback .*\n(?: .*\n)* .* in spawn_main\n(?: .*\n)*EOFError: Ran out of input\n", re.MULTILINE
)
"""What Python, before it runs any code of the product, writes in a new process whose parent is killed while it starts
the process (`multiprocessing.spawn`).
"""


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """Opens a database with new connections until the block ends."""
    database = Database(Settings(database_url=url, database_wait_seconds=30))
    try:
        yield database
    finally:
        database.close()


def require_invariants(database: Database) -> None:
    """Raises BrokenPromise for the first invariant that is violated. Webhooks must be older than all requests."""
    for finding in check(database, SOAK, longest_transaction=timedelta(0)):
        raise BrokenPromise(f"Not true: {finding.invariant}. {finding.sentence}")


class Stage:
    """One database with a super admin, under load. `url` is the address that the server uses."""

    def __init__(self, url: str, folder: Path, *, workers: int) -> None:
        self.url = url
        self.folder = folder
        self.workers = workers
        self.chance = Random(url)
        self.ledger = Ledger()
        self.answering, self.failing = Receiver(), Receiver()
        self.answering.response = responses.slow(0.02)
        self.failing.response = self._fail
        with opened(url) as database:
            keyring = ServerKey(database, Settings(database_url=url)).keyring()
        with opened(url) as database, database.write() as tx:
            admin = get_user_by_email(tx, ADMIN)
            self.token = create_token(tx, Settings(), SOAK, admin.user_id, "soak", [Scope.READ, Scope.WRITE], None)[1]
            create_missing_companies(tx, SOAK, [parse_name(name) for name in COMPANIES])
            create_issue(tx, SOAK, parse_issue_name(SHARED), None)
            self.answering_id = create_webhook(tx, SOAK, keyring, WebhookFields(url=self.answering.url))[0].id
            create_webhook(
                tx, SOAK, keyring, WebhookFields(url=self.failing.url, event_types=["assignment.status_changed"])
            )
            limited = [get_company_by_name(tx, SOAK, COMPANIES[0]).company_id]
            new_issues = WebhookFields(url=self.failing.url, event_types=["issue.created"], company_ids=limited)
            create_webhook(tx, SOAK, keyring, new_issues)
        self.server = self._serve(0)
        self.writers = [Writer(number, self.server.url, self.token, self.ledger) for number in range(WRITERS)]

    def start(self) -> None:
        """Waits for the server, and starts the writers."""
        self.server.wait_until_ready()
        for writer in self.writers:
            writer.start()

    def restart(self) -> None:
        """Restarts the killed server at the same address."""
        self.server = self._serve(self.server.port)

    def progress(self) -> None:
        """Waits until every writer has got some more responses. Raises BrokenPromise if that takes too long."""
        before = [writer.answered for writer in self.writers]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(writer.answered < count + ROUND for writer, count in zip(self.writers, before, strict=True)):
            if time.monotonic() > deadline:
                raise BrokenPromise(f"The server does not respond again; its log is {self.server.log}.")
            if self.ledger.problems:
                raise BrokenPromise(self.ledger.problems[0])
            time.sleep(0.005)

    def verify(self) -> Figures:
        """Checks the whole database while writers continue. Raises BrokenPromise."""
        with opened(self.url) as database:
            figures = self.ledger.verify(database)
            require_invariants(database)
            self._verify_delivered(database)
        log = _orphan.sub("", self.server.log.read_text(errors="replace"))
        for sign in ("Traceback", "unexpected failure"):
            if sign in log:
                raise BrokenPromise(f"“{sign}” in the log {self.server.log}.")
        return figures

    def stop_writers(self) -> None:
        """Waits until all writers have ended."""
        for writer in self.writers:
            writer.stop()
        for writer in self.writers:
            writer.join(PATIENCE_SECONDS)

    def finish(self) -> Figures:
        """Stops the writers, waits until all messages to the working receiver have been attempted, and checks
        everything.
        """
        self.stop_writers()
        with opened(self.url) as database:
            left, since = self._pending(database), time.monotonic()
            while left:
                if time.monotonic() > since + PATIENCE_SECONDS:
                    raise BrokenPromise(f"{left} messages were not sent to the working receiver.")
                time.sleep(0.1)
                found = self._pending(database)
                if found < left:
                    left, since = found, time.monotonic()
        return self.verify()

    def close(self) -> None:
        """Ends all processes and threads; the database remains."""
        for writer in self.writers:
            writer.stop()
        self.server.kill()
        for writer in self.writers:
            if writer.ident is not None:
                writer.join(PATIENCE_SECONDS)
        self.answering.close()
        self.failing.close()

    def _serve(self, port: int) -> ServeProcess:
        return ServeProcess(
            self.url,
            self.folder / "server.log",
            port=port,
            workers=self.workers,
            LOG_LEVEL="warning",
            WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
            WEBHOOK_TIMEOUT_SECONDS="1",
        )

    def _fail(self, request: BaseHTTPRequestHandler) -> None:
        """Responds correctly, with an error, late, or not at all."""
        response = self.chance.choice(
            (responses.status(204), responses.status(500), responses.slow(1.5), responses.silent)
        )
        response(request)

    def _pending(self, database: Database) -> int:
        """Returns the number of messages that have not been attempted. After a timeout, on a busy machine, a retry
        comes late.
        """
        query = select(func.count()).where(
            deliveries.c.webhook_id == self.answering_id,
            deliveries.c.state == "pending",
            deliveries.c.attempts == 0,
        )
        with database.read() as tx:
            return int(tx.execute(query).scalar_one())

    def _verify_delivered(self, database: Database) -> None:
        """Checks that every message that is recorded as delivered was received."""
        query = select(deliveries.c.message_id).where(
            deliveries.c.webhook_id == self.answering_id, deliveries.c.state == "delivered"
        )
        with database.read() as tx:
            delivered = set(tx.execute(query).scalars())
        missing = delivered - {message.id for message in list(self.answering.messages)}
        if missing:
            raise BrokenPromise(
                f"{len(missing)} messages are recorded as delivered, and never arrived: {min(missing)}."
            )


@contextmanager
def staged(url: str, folder: Path, *, workers: int = 4) -> Iterator[Stage]:
    """Runs a stage with active writers until the block ends."""
    stage = Stage(url, folder, workers=workers)
    try:
        stage.start()
        stage.progress()
        yield stage
    finally:
        stage.close()
