"""Writers over HTTP: threads that change their own issues, and a shared one, until they are stopped.

No other client changes a writer's own issues, so the writer knows the effect of each of its requests. After a request
without a response it abandons the issue and creates another one.
"""

import threading
import uuid
from random import Random
from typing import Any

import httpx

from issue_tracker.status import Status
from tests.clients import Client
from tests.soak.ledger import NOTHING, Events, Ledger, these

COMPANIES = [f"Company {number}" for number in range(6)]
SHARED = "An issue that all writers change"
PAUSE_SECONDS = 0.01
OUTAGE_SECONDS = 0.05
TEXT = "The line drops at noon. " * 150


class Writer(threading.Thread):
    """One writer. `answered` counts its successful requests."""

    def __init__(self, number: int, url: str, token: str, ledger: Ledger) -> None:
        super().__init__(daemon=True, name=f"writer {number}")
        self.answered = 0
        self.url = url
        self._number = number
        self._token = token
        self._ledger = ledger
        self._chance = Random(number)
        self._stopping = threading.Event()
        self._names = 0
        self._issue: str | None = None
        self._members: dict[str, str] = {}

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with Client(headers=headers, timeout=60) as client:
            while not self._stopping.is_set():
                if not self._change(client):
                    self._issue = None
                    self._stopping.wait(OUTAGE_SECONDS)
                self._stopping.wait(PAUSE_SECONDS)

    def _change(self, client: Client) -> bool:
        """Makes a change, and returns whether it succeeded."""
        if self._issue is None:
            return self._create_issue(client)
        weights = {
            self._change_status: 6,
            self._change_all: 2,
            self._update_issue: 2,
            self._unassign_company: 1,
            self._delete_issue: 1,
            self._change_shared: 2,
        }
        (act,) = self._chance.choices(list(weights), list(weights.values()))
        return act(client, self._issue)

    def _create_issue(self, client: Client) -> bool:
        self._names += 1
        name = f"Fault {self._names} of writer {self._number}, {uuid.uuid4().hex[:8]}"
        chosen = self._chance.sample(COMPANIES, self._chance.randint(0, 4))
        body = {
            "name": name,
            "description": TEXT[: self._chance.choice((0, 40, len(TEXT)))],
            "companies": [{"company_name": company, "status": "new"} for company in chosen],
        }
        created = these({"issue.created": 1, "assignment.created": len(chosen)})
        self._issue, self._members = name, dict.fromkeys(chosen, "new")
        return self._send(client, "POST", "/api/issues", {created}, body)

    def _change_status(self, client: Client, issue: str) -> bool:
        company, status = self._chance.choice(COMPANIES), self._some_status()
        before = self._members.get(company)
        type_ = "assignment.created" if before is None else "assignment.status_changed"
        self._members[company] = status
        body = {"issue_name": issue, "company_name": company, "status": status}
        return self._send(client, "PUT", "/api/issues/status", {these({type_: int(before != status)})}, body)

    def _change_all(self, client: Client, issue: str) -> bool:
        status = self._some_status()
        moved = [company for company, before in self._members.items() if before not in (status, "closed")]
        self._members |= dict.fromkeys(moved, status)
        body = {"issue_name": issue, "status": status}
        expected = these({"assignment.status_changed": len(moved)})
        return self._send(client, "POST", "/api/issues/status/bulk", {expected}, body)

    def _update_issue(self, client: Client, issue: str) -> bool:
        self._names += 1
        name = f"Fault {self._names} of writer {self._number}, {uuid.uuid4().hex[:8]}"
        added = [company for company in self._chance.sample(COMPANIES, 2) if company not in self._members]
        self._issue = name
        self._members |= dict.fromkeys(added, "new")
        body = {"new_name": name, "description": f"Now {name}", "add_companies": [{"company_name": c} for c in added]}
        expected = these({"issue.updated": 2, "assignment.created": len(added)})
        return self._send(client, "PUT", f"/api/issues/{issue}", {expected}, body)

    def _unassign_company(self, client: Client, issue: str) -> bool:
        if not self._members:
            return True
        company = self._chance.choice(sorted(self._members))
        del self._members[company]
        path = f"/api/issues/status?issueName={issue}&companyName={company}"
        return self._send(client, "DELETE", path, {these({"assignment.deleted": 1})})

    def _delete_issue(self, client: Client, issue: str) -> bool:
        self._issue = None
        return self._send(client, "DELETE", f"/api/issues/{issue}", {these({"issue.deleted": 1})})

    def _change_shared(self, client: Client, _issue: str) -> bool:
        body = {"issue_name": SHARED, "company_name": self._chance.choice(COMPANIES), "status": self._some_status()}
        changes = {these({type_: 1}) for type_ in ("assignment.created", "assignment.status_changed")}
        return self._send(client, "PUT", "/api/issues/status", {NOTHING, *changes}, body)

    def _some_status(self) -> str:
        return self._chance.choice(list(Status)).value

    def _send(
        self, client: Client, method: str, path: str, expected: set[Events], body: dict[str, Any] | None = None
    ) -> bool:
        request_id = uuid.uuid4().hex
        allowed = frozenset(expected)
        # From now on the request may be performed.
        self._ledger.unanswered[request_id] = allowed
        try:
            response = client.request(method, self.url + path, json=body, headers={"X-Request-ID": request_id})
        except httpx.TransportError:
            return False
        if response.is_success:
            self._ledger.answered[request_id] = allowed
            del self._ledger.unanswered[request_id]
            self.answered += 1
            return True
        if response.status_code == 503:
            self._ledger.refused += 1
        else:
            self._ledger.problems.append(f"{method} {path}: {response.status_code} {response.text[:300]}")
        return False
