"""Two served databases that differ only in data that a user with limited company access cannot see."""

import random
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from issue_tracker.actor import Actor, Role, command_line
from issue_tracker.alerts.models import AlertState, Report
from issue_tracker.alerts.operations import receive
from issue_tracker.alerts.rule_list import create_rule
from issue_tracker.alerts.rules import Rule
from issue_tracker.auth.company_access import set_company_access
from issue_tracker.auth.user_names import parse_display_name, parse_email
from issue_tracker.auth.users import create_user, get_user_by_email, update_user
from issue_tracker.clock import now
from issue_tracker.companies.groups.operations import create_group, update_group
from issue_tracker.companies.groups.queries import get_groups
from issue_tracker.companies.operations import create_missing_companies, update_company
from issue_tracker.companies.queries import Company, find_companies
from issue_tracker.company_access.grants import Grant
from issue_tracker.database import tables
from issue_tracker.database.history_identity import HistoryIdentity
from issue_tracker.database.server_key import ServerKey
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.events.webhooks import WebhookFields, create_webhook
from issue_tracker.issues.assignments import set_status, unassign
from issue_tracker.issues.merge import merge_issues
from issue_tracker.issues.operations import delete_issue, update_issue
from issue_tracker.issues.presence import note_presence
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.issues.templates.operations import TemplateFields, create_template, update_template
from issue_tracker.issues.updates.operations import add_update, edit_update
from issue_tracker.issues.views.operations import create_view
from issue_tracker.names import key, parse_issue_name, parse_name, parse_update
from issue_tracker.settings import Settings
from issue_tracker.status import Status
from tests.clients import Client
from tests.company_access.call import HIDDEN_ID, MERGED_ID, Call
from tests.company_access.internal import write_internally
from tests.company_access.numbering import NUMBERED, last_numbers, number_from
from tests.server import serving
from tests.shared import Shared
from tests.world import Clock, World

ADA = command_line("Ada")
MORNING = datetime(2026, 1, 1, 10, tzinfo=UTC)
UNCOMPARED = {"date", "server"}

Answer = tuple[int, list[tuple[str, str]], bytes]


class Pair:
    """The two databases. `fuller` contains additional hidden data; every visible row has the same id in both."""

    def __init__(self, plain: World, fuller: World, clock: Clock) -> None:
        self.worlds = (plain, fuller)
        self.fuller = fuller
        self.clock = clock
        self.step = 0
        self.memory: dict[tuple[World, str], dict[str, str]] = {}
        for world in self.worlds:
            _fill(world)
        clock.advance(hours=1)
        with fuller.database.write() as tx:
            for table in NUMBERED:
                number_from(tx, table, HIDDEN_ID - 1)
        _hide(fuller)
        self.align()
        clock.advance(hours=1)
        self.clients: dict[str, tuple[Client, Client]] = {}
        for who in ("tess", "omar", "cara"):
            self.clients[who] = self._both(lambda world, who=who: world.client(who))
        for who in ("tess", "cara"):
            self.clients[f"{who} by token"] = self._both(lambda world, who=who: world.bearer(who))

    def _both(self, make: Any) -> tuple[Client, Client]:
        made = []
        self.step += 1
        for world in self.worlds:
            _random.seed(self.step)
            made.append(make(world))
        return made[0], made[1]

    def disturb(self) -> None:
        """Changes hidden data, a minute later, in one of the databases."""
        self.clock.advance(minutes=1)
        world = self.fuller
        with world.database.write() as tx:
            actor = command_line("Noise")
            company = find_companies(tx, ADA, ["Hidden Ltd"])[key("Hidden Ltd")]
            for name in ("Hidden issue", "Shared"):
                head = get_issue_head(tx, ADA, name, lock=True)
                status = Status.MONITORING if self.clock.now().minute % 2 else Status.RESOLVED
                set_status(tx, actor, head, company, status, "hidden note")
            update_issue(tx, actor, get_issue_head(tx, ADA, "Hidden issue", lock=True), description=str(now()))
            both, shared = (
                [company, *find_companies(tx, ADA, ["Fabrikam GmbH"]).values()],
                get_issue_head(tx, ADA, "Shared"),
            )
            noise = add_update(tx, actor, shared, parse_update("Noise"), companies=both)
            edit_update(tx, actor, noise.update.update_id, public=True)
            nina = get_user_by_email(tx, "nina@helpdesk.example")
            note_presence(tx, Actor(nina.user_id, nina.name, nina.role, "session"), shared.issue_id, now())
        self.align()

    def write_internally(self) -> None:
        """Writes the same customer-visible data into both, and different internal data."""
        self.clock.advance(minutes=1)
        for world, author, words in zip(self.worlds, ("Tess", "Omar"), ("one", "the other"), strict=True):
            write_internally(world, author, words)
        self.align()

    def align(self) -> None:
        """Aligns the next ids in both. The event log must have no gaps, because readers wait at gaps."""
        last = {}
        for world in self.worlds:
            with world.database.read() as tx:
                last[world] = last_numbers(tx)
        for world in self.worlds:
            behind = max(found[tables.events] for found in last.values()) - last[world][tables.events]
            with world.database.write() as tx:
                for table in NUMBERED:
                    highest = max(found[table] for found in last.values())
                    if last[world][table] < highest:
                        number_from(tx, table, highest)
                if behind:
                    filler = Change(type=EventType.USER_UPDATED, note="filler")
                    record(tx, ADA, [filler] * behind, now(), notify=False)

    def ask(self, who: str, method: str, call: Call) -> tuple[Answer, Answer]:
        """Returns the responses of both to one call."""
        answers = []
        self.step += 1
        for world, client in zip(self.worlds, self.clients[who], strict=True):
            _random.seed(self.step)
            answers.append(self._ask(client, method, call, self.memory.setdefault((world, who), {})))
        return answers[0], answers[1]

    def _ask(self, client: Client, method: str, call: Call, memory: dict[str, str]) -> Answer:
        def filled(value: str) -> str:
            for name in ("etag", "position"):
                value = value.replace(f"{{{name}}}", memory.get(name, ""))
            return value

        headers = {name: filled(value) for name, value in call.headers.items()} | {"X-Request-ID": "call"}
        options: dict[str, Any] = {"headers": headers}
        if call.json is not None:
            options["json"] = call.json
        if call.form is not None:
            options["data"] = call.form
        if call.path == "/api/events/stream":
            return _listen(client, headers)
        response = client.request(method, filled(call.path), **options)
        for name, header in (("etag", "etag"), ("position", "x-sync-position")):
            if header in response.headers:
                memory[name] = response.headers[header]
        return response.status_code, _compared(response.headers), response.content


def _listen(client: Client, headers: Mapping[str, str]) -> Answer:
    """Returns the content of a stream up to the last event that the client may see."""
    newest = client.get("/api/events", params={"limit": 1}).json().get("items", [])
    received = b""
    with client.stream("GET", "/api/events/stream", headers=headers) as response:
        if response.status_code != 200:
            return response.status_code, _compared(response.headers), response.read()
        for piece in response.iter_raw():
            received += piece
            if f"id: {newest[0]['event_id']}\n".encode() in received:
                break
    return response.status_code, _compared(response.headers), received


def _compared(headers: Any) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in headers.multi_items() if name not in UNCOMPARED)


_random = random.Random(0)
"""Generates the same secrets in both databases, because some responses contain them."""


def _fill(world: World) -> None:
    """Writes the data of both: issues of visible and of hidden companies, groups, and users with limited access."""
    world.given_customer("cara")
    world.given_issue("Shared", {"Contoso": "new", "Fabrikam": "investigating"}, "Seen by all who are affected")
    world.given_issue("Own", {"Contoso": "resolved", "Zürich (Nord)": "new"})
    world.given_issue("Whole", {"Contoso": "new"})
    world.given_issue("Elsewhere", {"Fabrikam": "new"})
    with world.database.write() as tx:
        found = find_companies(tx, ADA, ["Contoso", "Fabrikam", "Zürich (Nord)"])
        contoso, fabrikam, zurich = (found[key(name)] for name in ("Contoso", "Fabrikam", "Zürich (Nord)"))
        for audience in (None, [contoso], [contoso, fabrikam], [fabrikam]):
            shared = get_issue_head(tx, ADA, "Shared", lock=True)
            add_update(tx, ADA, shared, parse_update("An update"), public=audience is None, companies=audience)
        ours = create_group(tx, ADA, parse_name("Ours"), [contoso])
        mixed = create_group(tx, ADA, parse_name("Mixed"), [zurich, fabrikam])
        theirs = create_group(tx, ADA, parse_name("Theirs"), [fabrikam])
        for name, groups, companies in (
            ("General", [], []),
            ("Ours", [mixed, theirs], [contoso, fabrikam]),
            ("Theirs", [theirs], [fabrikam]),
        ):
            create_template(tx, ADA, TemplateFields(name=parse_name(name), groups=groups, companies=companies))
        for who in ("tess", "omar"):
            user = get_user_by_email(tx, f"{who}@helpdesk.example")
            set_company_access(tx, ADA, user.user_id, Grant([zurich.company_id], [ours.group_id]))
        cara = get_user_by_email(tx, "cara@customer.example")
        set_company_access(tx, ADA, cara.user_id, Grant([zurich.company_id], [ours.group_id]))
        update_user(tx, ADA, user.user_id, role=Role.SUPER_ADMIN)
        tess = get_user_by_email(tx, "tess@helpdesk.example")
        create_view(
            tx, Actor(tess.user_id, tess.name, tess.role, "session"), parse_name("Shared"), "owner=me", shared=True
        )
        receive(tx, ADA, [_firing("seen", "Own", "Zürich (Nord)"), _firing("gone", "Elsewhere", "Contoso")])
        unassign(tx, ADA, get_issue_head(tx, ADA, "Elsewhere", lock=True), contoso)


def _hide(world: World) -> None:
    """Writes the data of only one: a company, a group, an issue, assignments of the shared issue, a webhook, a user, a
    rule for alerts.
    """
    keyring = ServerKey(world.database, world.server.settings).keyring()
    with world.database.write() as tx:
        create_missing_companies(tx, ADA, [parse_name("Hidden Ltd"), parse_name("Hidden & Sons")])
        found: dict[str, Company] = find_companies(tx, ADA, ["Hidden Ltd", "Fabrikam", "Zürich (Nord)"])
        hidden, fabrikam, zurich = (found[key(name)] for name in ("Hidden Ltd", "Fabrikam", "Zürich (Nord)"))
        create_group(tx, ADA, parse_name("Hidden group"), [hidden])
        update_group(tx, ADA, 2, companies=[zurich, fabrikam, hidden])
        [secret_group] = get_groups(tx, ADA, ["Hidden group"])
        for name in ("A hidden template", "Hidden, too"):
            fields = TemplateFields(name=parse_name(name), groups=[secret_group], companies=[hidden], description="own")
            create_template(tx, ADA, fields)
        contoso = find_companies(tx, ADA, ["Contoso"])[key("Contoso")]
        update_template(tx, ADA, 2, TemplateFields(companies=[contoso, hidden]))
        create_webhook(tx, ADA, keyring, WebhookFields(url="https://hooks.helpdesk.example/hidden", active=False))
        nina = create_user(
            tx, ADA, parse_email("nina@helpdesk.example"), parse_display_name("Nina"), Role.TECHNICIAN, "hash"
        )
        set_company_access(tx, ADA, nina.user_id, Grant([hidden.company_id], []))
        author = Actor(nina.user_id, nina.name, nina.role, "session")
        create_view(
            tx, author, parse_name("Hidden company"), "companyName=Hidden Ltd", shared=True, shared_with_limited=True
        )
        create_view(tx, author, parse_name("Hidden words"), "search=hidden", shared=True, shared_with_limited=True)
        create_view(tx, author, parse_name("Hidden Ltd"), "open=true", shared=True)
    world.given_issue("Hidden issue", {"Hidden Ltd": "new", "Fabrikam": "closed"}, "Shared own new secret")
    world.given_issue("Hidden for good", {"Hidden Ltd": "new"})
    world.given_issue("Hidden double", {"Hidden Ltd": "new"})
    with world.database.write() as tx:
        double, shared = (get_issue_head(tx, ADA, name, lock=True) for name in ("Hidden double", "Shared"))
        assert double.issue_id == MERGED_ID
        merge_issues(tx, ADA, double, shared)
        secret = get_issue_head(tx, ADA, "Hidden issue", lock=True)
        for audience in (None, [hidden, fabrikam], [hidden]):
            add_update(tx, ADA, secret, parse_update("A hidden update"), companies=audience)
        shared = get_issue_head(tx, ADA, "Shared", lock=True)
        for company, status in ((hidden, Status.MONITORING), (fabrikam, Status.CLOSED)):
            shared = set_status(tx, ADA, shared, company, status)
        elsewhere = get_issue_head(tx, ADA, "Elsewhere", lock=True)
        update_issue(tx, ADA, elsewhere, new_name=parse_issue_name("Elsewhere else"), description="own")
        unassign(tx, ADA, get_issue_head(tx, ADA, "Hidden issue", lock=True), fabrikam)
        delete_issue(tx, ADA, get_issue_head(tx, ADA, "Hidden for good", lock=True))
        update_company(tx, ADA, fabrikam.company_id, name=parse_name("Fabrikam GmbH"))
        receive(tx, ADA, [_firing("hidden", "Shared", "Hidden Ltd"), _firing("unsorted", "Shared", "Nobody")])
        create_rule(tx, ADA, parse_name("Lines of Hidden Ltd"), Rule(company="Hidden Ltd", issue="Hidden issue"))


def _firing(key: str, issue: str, company: str) -> Report:
    return Report(key=key, state=AlertState.FIRING, issue=parse_issue_name(issue), company=parse_name(company))


@contextmanager
def two_worlds(engine: str, shared: Shared, clock: Clock) -> Iterator[Pair]:
    """Serves both on separate databases."""
    with ExitStack() as ended, pytest.MonkeyPatch.context() as patch:
        patch.setattr(HistoryIdentity, "identity", property(lambda _: "the same history"))
        patch.setattr(random, "getrandbits", _random.getrandbits)
        patch.setattr(secrets, "token_hex", lambda size=32: _random.randbytes(size).hex())
        patch.setattr(secrets, "token_bytes", lambda size=32: _random.randbytes(size))
        patch.setattr(
            secrets, "token_urlsafe", lambda size=32: f"{_random.getrandbits(size * 8):x}"[:43].rjust(43, "x")
        )
        clock.freeze(MORNING)
        worlds = []
        for _ in range(2):
            settings = Settings(
                database_url=shared.migrated(engine), log_level="error", deliver_webhooks=False, secret_key="s" * 64
            )
            world = World(ended.enter_context(serving(settings, public_url="http://issues.helpdesk.example")), clock)
            ended.callback(world.close)
            worlds.append(world)
        yield Pair(worlds[0], worlds[1], clock)
