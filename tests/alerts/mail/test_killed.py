"""`issue-tracker mail` is killed repeatedly while mail arrives: every confirmed message is stored exactly once."""

import os
import signal
import smtplib
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select

from issue_tracker.actor import command_line
from issue_tracker.alerts.receivers import create_receiver
from issue_tracker.alerts.senders import Kind
from issue_tracker.companies.operations import create_missing_companies
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import alert_receivers, alerts, issues
from issue_tracker.names import parse_name
from issue_tracker.settings import Settings
from tests.alerts.mail.sending import SENDER, message
from tests.postgresql import free_port
from tests.preloaded import Forked
from tests.processes import environment, launch

KILLS = 3


def start(url: str, port: int, log: Path) -> "subprocess.Popen[bytes] | Forked":
    with log.open("ab") as out:
        return launch(["mail", "--port", str(port)], environment(url), out.fileno(), out.fileno())


def accepts(port: int, seconds: float = 60) -> bool:
    """Returns whether the listener sends its greeting in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError, smtplib.SMTPException), smtplib.LMTP("127.0.0.1", port, timeout=5):
            return True
        time.sleep(0.02)
    return False


class Sender:
    """A mail server, which sends each message until it is confirmed."""

    def __init__(self, port: int, address: str, name: str) -> None:
        self._port, self._address, self._name = port, address, name
        self.confirmed: list[str] = []
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.done.is_set():
            key = f"{self._name}-{len(self.confirmed)}"
            content = message(body=f"Company: Contoso\r\nKey: {key}", Message_ID=f"<{key}@monitoring.example>")
            while not self.done.is_set():
                try:
                    with smtplib.LMTP("127.0.0.1", self._port, timeout=20) as client:
                        client.sendmail(SENDER, [self._address], content.encode())
                    self.confirmed.append(key)
                    break
                except (OSError, smtplib.SMTPException):
                    time.sleep(0.02)

    def stop(self) -> None:
        self.done.set()
        self._thread.join(60)


def test_no_confirmed_message_is_lost(migrated_url: str, tmp_path: Path) -> None:
    database, port, log = Database(Settings(database_url=migrated_url)), free_port(), tmp_path / "log"
    with database.write() as tx:
        create_missing_companies(tx, command_line("tests"), [parse_name("Contoso")])
        _, secret = create_receiver(tx, command_line("tests"), parse_name("RMM"), Kind.EMAIL)
    process = start(migrated_url, port, log)
    senders = [Sender(port, f"{secret}@localhost", name) for name in ("a", "b", "c")]
    try:
        for _ in range(KILLS):
            assert accepts(port), log.read_text()
            before = sum(len(each.confirmed) for each in senders)
            deadline = time.monotonic() + 60
            while sum(len(each.confirmed) for each in senders) < before + 5:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
            process.wait(30)
            process = start(migrated_url, port, log)
        assert accepts(port), log.read_text()
    finally:
        for each in senders:
            each.stop()
        process.terminate()
        assert process.wait(30) == 0, log.read_text()
    with database.read() as tx:
        stored = {row.key: row.reports for row in tx.execute(select(alerts.c.key, alerts.c["count"].label("reports")))}
        assert tx.execute(select(issues.c.name)).scalars().all() == ["Line down"]
        assert tx.execute(select(alert_receivers.c.last_message)).scalar_one().startswith("From: rmm@")
    database.close()
    confirmed = {key for each in senders for key in each.confirmed}
    assert confirmed <= set(stored) and len(confirmed) >= KILLS * 5
    assert set(stored.values()) == {1}
    assert secret not in log.read_text()
