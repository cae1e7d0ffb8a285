"""After any operations the issues, totals and events are those that a model of the rules predicts (contract, 4 to 7).

The operations go through a real server, and the import through the command line, with the clock stopped, so that every
stored time is known.
"""

import csv
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from issue_tracker.cli import main
from tests.issues.model import STATUSES, Event, Model, Refused, Row, contradictory
from tests.issues.strategies import (
    COMPANIES,
    companies,
    descriptions,
    few,
    members,
    names,
    notes,
    rows,
    several,
    statuses,
)
from tests.server import Server
from tests.world import Clock, World

T = TypeVar("T")


class Operations(RuleBasedStateMachine):
    """Tess changes issues; Ada deletes them; Omar tries to undo the changes of Tess."""

    def __init__(self, server: Server, clock: Clock, folder: Path) -> None:
        super().__init__()
        clock.freeze(datetime(2025, 1, 4, 10, 15, tzinfo=UTC))
        server.empty()
        self.world = World(server, clock)
        self.model = Model(clock.now())
        self.file = folder / "import.csv"
        self.tess, self.ada, self.omar = (self.world.client(who) for who in ("tess", "ada", "omar"))
        self.events: list[Event] = []
        self.request_id: str | None = None
        self.last_event = max((event.event_id for event in self.world.history()), default=0)

    def teardown(self) -> None:
        self.world.close()

    def perform(
        self, request: Callable[[], httpx.Response], expect: Callable[[], T]
    ) -> tuple[httpx.Response, T | None]:
        """Sends a request one second after the previous one, and performs it in the model.

        Both must refuse with the same status, or neither.
        """
        self.world.clock.advance(seconds=1)
        self.model.now = self.world.clock.now()
        response = request()
        self.request_id = response.headers["X-Request-ID"]
        expected, refusal = None, None
        try:
            expected = expect()
        except Refused as refused:
            refusal = refused.status
        assert refusal == (None if response.is_success else response.status_code), response.text
        if refusal is None:
            self.model.remember(self.request_id)
        return response, expected

    def change(self, request: Callable[[], httpx.Response], expect: Callable[[], list[Event]]) -> None:
        """Like `perform`, for an operation of which only the events are compared."""
        _, events = self.perform(request, expect)
        self.events = events or []

    def draw_name(self, data: st.DataObject) -> str:
        """Draws the name of an issue, sometimes one that may not exist."""
        existing = [issue.name for issue in self.model.issues.values()]
        return str(data.draw(st.sampled_from([*existing, *map(str.upper, existing), data.draw(names)]), "issue"))

    def draw_request(self, data: st.DataObject) -> str:
        """Draws one of the last requests, mostly of those that changed an assignment."""
        requests = list(self.model.requests)[::-1]
        changing = [one for one in requests if self.model.requests[one].changes]
        return str(data.draw(st.sampled_from([*changing[:4], requests[0]]), "request"))

    @initialize()
    def start_with_two_issues(self) -> None:
        everyone = dict(zip(COMPANIES, ("new", "resolved", "closed", "investigating"), strict=True))
        for name, assigned in (("Slow mail", everyone), ("VPN", {"Contoso": "new"})):
            self.create(name, "", assigned)
            self.compare_events()

    @rule(name=names, description=descriptions, members=members)
    def create(self, name: str, description: str, members: dict[str, str | None]) -> None:
        body = {"name": name, "description": description, "companies": _listed(members)}
        self.change(
            lambda: self.tess.post("/api/issues", json=body), lambda: self.model.create(name, description, members)
        )

    @rule(data=st.data(), company=companies, status=statuses, note=notes)
    def set_status(self, data: st.DataObject, company: str, status: str, note: str | None) -> None:
        name = self.draw_name(data)
        body = {"issue_name": name, "company_name": company, "status": status, "note": note}
        self.change(
            lambda: self.tess.put("/api/issues/status", json=body),
            lambda: self.model.set_status(name, company, status, note),
        )

    @rule(
        data=st.data(),
        status=statuses,
        chosen=st.none() | several,
        exclude=few,
        from_=st.none() | st.lists(statuses, unique=True, max_size=2),
        note=notes,
        dry_run=st.sampled_from([False, False, False, True]),
    )
    def set_in_bulk(
        self,
        data: st.DataObject,
        status: str,
        chosen: list[str] | None,
        exclude: list[str],
        from_: list[str] | None,
        note: str | None,
        dry_run: bool,
    ) -> None:
        name = self.draw_name(data)
        sent = {
            "issue_name": name,
            "status": status,
            "companies": chosen,
            "exclude": exclude,
            "from": from_,
            "note": note,
            "dry_run": dry_run,
        }
        response, expected = self.perform(
            lambda: self.tess.post("/api/issues/status/bulk", json=sent),
            lambda: self.model.bulk(name, status, chosen, exclude, from_, note, dry_run=dry_run),
        )
        outcomes, self.events = expected or ({}, [])
        if expected:
            body = response.json()
            assert {one["company_name"]: one["outcome"] for one in body["results"]} == outcomes
            assert body["changed"] == Counter(outcomes.values())["changed"]

    @rule(data=st.data(), new_name=st.none() | names, description=st.none() | descriptions, add=members)
    def update(
        self, data: st.DataObject, new_name: str | None, description: str | None, add: dict[str, str | None]
    ) -> None:
        name = self.draw_name(data)
        body = {"new_name": new_name, "description": description, "add_companies": _listed(add)}
        self.change(
            lambda: self.tess.put(_path(name), json=body), lambda: self.model.update(name, new_name, description, add)
        )

    @precondition(lambda self: sum(self.model.totals().values()) > 3)
    @rule(data=st.data())
    def unassign(self, data: st.DataObject) -> None:
        assigned = [(issue.name, company) for issue in self.model.issues.values() for company in issue.members]
        name, company = data.draw(st.sampled_from([*assigned, (data.draw(names), COMPANIES[0])]), "assignment")
        query = {"issueName": name, "companyName": company}
        self.change(
            lambda: self.tess.delete("/api/issues/status", params=query), lambda: self.model.unassign(name, company)
        )

    @precondition(lambda self: len(self.model.issues) > 2)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = self.draw_name(data)
        self.change(lambda: self.ada.delete(_path(name)), lambda: self.model.delete(name))

    @rule(data=st.data(), minutes=st.sampled_from([0, 0, 0, 0, 10, 16]))
    def undo(self, data: st.DataObject, minutes: int) -> None:
        """Undoes one of the last requests, sometimes too late. No other user can undo it."""
        self.world.clock.advance(minutes=minutes)
        request_id = self.draw_request(data)
        assert _undo(self.omar, request_id).status_code == 400
        self.change(lambda: _undo(self.tess, request_id), lambda: self.model.undo(request_id))

    @rule(rows=rows, bad=st.sampled_from([False, False, False, True]))
    def import_file(self, rows: list[Row], bad: bool) -> None:
        """A file with one invalid row, or with two descriptions of one issue, changes nothing."""
        distinct = {(row.name.casefold(), row.company): row for row in rows}
        rows = sorted(distinct.values(), key=lambda row: row.name.casefold())
        with self.file.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([("name", "description", "company_name", "status"), *rows])
            writer.writerows([("Bad", "", "Contoso", "done")] * bad)
        self.world.clock.advance(seconds=1)
        self.model.now = self.world.clock.now()
        database = ["--database-url", self.world.server.settings.database_url]
        ran = CliRunner().invoke(main, ["issue", "import", str(self.file), *database])
        assert ran.exit_code == (bad or contradictory(rows)), ran.output
        self.events = [] if ran.exit_code else self.model.import_rows(rows)
        self.request_id = None

    @invariant()
    def compare_issues(self) -> None:
        found = self.tess.call("GET", "/api/issues", 200)
        assert found["total"] == len(self.model.issues)
        assert {issue["name"]: _shown(issue) for issue in found["items"]} == {
            issue.name: (
                issue.description,
                issue.created_at.isoformat(),
                issue.updated_at.isoformat(),
                {company: (member.status, member.updated_at.isoformat()) for company, member in issue.members.items()},
            )
            for issue in self.model.issues.values()
        }

    @invariant()
    def compare_events(self) -> None:
        """The last operation recorded exactly its events, under its request id."""
        found = self.tess.call("GET", f"/api/events?after={self.last_event}&limit=500", 200)["items"]
        assert Counter(_event(event) for event in found) == Counter(self.events)
        assert {event["at"] for event in found} <= {self.model.now.isoformat()}
        if self.request_id:
            assert {event["request_id"] for event in found} <= {self.request_id}
        self.last_event = max((event["event_id"] for event in found), default=self.last_event)
        self.events = []

    @invariant()
    def compare_totals(self) -> None:
        """Compares one of three totals after each operation, in turn."""
        match self.model.now.second % 3:
            case 0:
                shown = self.tess.get("/").text.partition('data-totals="')[2].partition('"')[0]
                assert [int(number) for number in shown.split()] == list(self.model.totals().values())
            case 1:
                listed = self.tess.call("GET", "/api/companies", 200)["items"]
                found = {one["name"]: one["open_issues"] for one in listed if one["name"] in COMPANIES}
                assert found == {name: self.model.open_issues(name) for name in COMPANIES}
            case _:
                status = STATUSES[self.model.now.second // 3 % len(STATUSES)]
                total = self.tess.call("GET", f"/api/issues?status={status}&limit=1", 200)["total"]
                assert total == self.model.listed(status), status


def _path(name: str) -> str:
    return f"/api/issues/{quote(name, safe='')}"


def _listed(members: dict[str, str | None]) -> list[dict[str, str]]:
    return [{"company_name": company} | ({"status": status} if status else {}) for company, status in members.items()]


def _undo(client: Any, request_id: str) -> httpx.Response:
    form = {"_csrf": client.headers["X-CSRF-Token"], "request_id": request_id}
    response: httpx.Response = client.post("/undo", data=form, headers={"Accept": "application/json"})
    return response


def _shown(issue: dict[str, Any]) -> tuple[Any, ...]:
    shown = {member["company_name"]: (member["status"], member["updated_at"]) for member in issue["assignments"]}
    assert list(shown) == sorted(shown, key=str.casefold)
    return issue["description"], issue["created_at"], issue["updated_at"], shown


def _event(event: dict[str, Any]) -> Event:
    note = event["note"] if event["company_name"] else None
    return Event(event["type"], event["issue_name"], event["company_name"], event["from"], event["to"], note)


def test_any_sequence_of_operations_agrees_with_the_model(server: Server, clock: Clock, tmp_path: Path) -> None:
    class Helpdesk(Operations):
        """Hypothesis creates one for each sequence, without arguments."""

        def __init__(self) -> None:
            super().__init__(server, clock, tmp_path)

    run_state_machine_as_test(
        Helpdesk,
        settings=settings(
            max_examples=6,
            stateful_step_count=25,
            derandomize=True,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
