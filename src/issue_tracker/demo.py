"""Demonstration data for trying out the product: a helpdesk with invented companies and faults over several days."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec

from issue_tracker import clock
from issue_tracker.actor import Actor, Role, command_line
from issue_tracker.auth.first_start import no_users
from issue_tracker.auth.passwords import generate_password, hash_password
from issue_tracker.auth.user_names import parse_display_name, parse_email
from issue_tracker.auth.users import create_user
from issue_tracker.companies.operations import create_missing_companies
from issue_tracker.companies.queries import Company, get_companies
from issue_tracker.database.engine import Database
from issue_tracker.errors import Invalid
from issue_tracker.issues.assignments import NewAssignment, set_status
from issue_tracker.issues.operations import create_issue
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.names import parse_issue_name, parse_name
from issue_tracker.status import Status

COMPANIES = """Aster Logistics|Bluebell Dental|Brandt & Söhne|Café Mirabelle|Castell Insurance|Cedar Hill School
Delmar Foods|Dune Architects|Eastgate Clinic|Fjord Outfitters|Granite Legal|Harbour Books|Hazel & Finch|Ibis Travel
Juniper Care|Kestrel Motors|Larkspur Hotels|Linden Pharmacy|Marlow Print|Meridian Tools|Nettle & Rye|Northbank Credit
Oakmoor Council|Orchard Robotics|Pinewood Estates|Quill Accountants|Redwater Mining|Sable Studios|Saint Olave’s Trust
Tamarack Energy|Thistle Bakeries|Umber Ceramics|Vale Veterinary|Westlight Media|Willow Bank|Yarrow Biotech"""

FAULTS = (
    ("Mail delivery delayed", "Outbound mail queues at the relay; messages arrive up to 40 minutes late.", 14),
    ("VPN drops every few minutes", "Tunnels renegotiate after the gateway update of Monday night.", 9),
    ("Printer firmware failure", "Firmware 4.3.2 fails to initialise on multi-function devices.", 6),
    ("Certificate expired on remote desktop gateway", "Users see a warning, or cannot connect at all.", 11),
    ("Backup job fails with error 0x80070005", "Nightly backups skip the finance share.", 4),
    ("Network degradation", "Packet loss on primary WAN links.", 8),
    ("Sign-in loop after password reset", None, 5),
    ("Phone system without outbound lines", "Carrier ticket is open; inbound calls work.", 7),
    ("Slow file server", "Antivirus scans the profile share during office hours.", 3),
    ("TCP/IP printing stopped after patch day", "Remove the update, or move the queue to IPP.", 12),
    ("Time clock shows the wrong hour", "Terminals missed the daylight-saving change.", 2),
    ("Shared calendar not syncing", "Mobile devices only.", 6),
)

PROGRESS = (Status.NEW, Status.INVESTIGATING, Status.IN_PROGRESS, Status.MONITORING, Status.RESOLVED, Status.CLOSED)
NOTES = {
    Status.INVESTIGATING: ("Reproduced on their side", None, None),
    Status.IN_PROGRESS: ("Waiting for the vendor", "Workaround sent by mail", None, None),
    Status.MONITORING: ("Patch is in, watching it for a day", None, None),
    Status.RESOLVED: ("Called back, they can work again", None, None),
    Status.CLOSED: (None,),
}
"""The possible notes on a change to each status; None is no note."""
DAYS = 6
"""The length of the history, in days."""


class SignIn(msgspec.Struct, frozen=True):
    """An account of the demonstration, with its password in plain text."""

    email: str
    password: str
    role: str


def fill(database: Database) -> list[SignIn]:
    """Fills an empty database in one transaction and returns the accounts. Raises Invalid if it is not empty."""
    people = [
        ("ada@helpdesk.example", "Ada Lund", Role.SUPER_ADMIN),
        ("tess@helpdesk.example", "Tess Ngo", Role.TECHNICIAN),
        ("omar@helpdesk.example", "Omar Reyes", Role.TECHNICIAN),
    ]
    passwords = [generate_password() for _ in people]
    hashes = [hash_password(password) for password in passwords]
    chance = random.Random(4)
    present = clock.now()
    with database.write() as tx, _simulated_clock(present - timedelta(days=DAYS)) as simulated:
        if not no_users(tx):
            raise Invalid("The database is not empty; the demonstration data needs an empty one.")
        admin = command_line("demo")
        users = [
            create_user(tx, admin, parse_email(email), parse_display_name(name), role, password_hash)
            for (email, name, role), password_hash in zip(people, hashes, strict=True)
        ]
        names = [parse_name(name) for name in COMPANIES.replace("\n", "|").split("|")]
        create_missing_companies(tx, admin, names)
        companies = get_companies(tx, admin, names)
        known = sorted(companies.values(), key=lambda company: company.company_id)
        for number, (at, step) in enumerate(sorted(_story(chance, known, present), key=lambda entry: entry[0])):
            simulated.at = at
            user = chance.choice(users)
            actor = Actor(user.user_id, user.name, user.role, "session", f"demo-{number}")
            if step.status is None:
                members = [NewAssignment(company) for company in step.companies]
                create_issue(tx, actor, parse_issue_name(step.name), step.description, members)
            else:
                issue = get_issue_head(tx, actor, step.name, lock=True)
                set_status(tx, actor, issue, step.companies[0], step.status, chance.choice(NOTES[step.status]))
    return [SignIn(email, password, role.value) for (email, _, role), password in zip(people, passwords, strict=True)]


class _Step(msgspec.Struct, frozen=True):
    """A step of the story: a fault appears with its companies (`status` is None), or one company's status changes."""

    name: str
    description: str | None
    companies: list[Company]
    status: Status | None


def _story(chance: random.Random, companies: list[Company], present: datetime) -> Iterator[tuple[datetime, _Step]]:
    """Yields the steps with their times (UTC), fault by fault."""
    for index, (name, description, affected) in enumerate(FAULTS):
        start = present - timedelta(days=DAYS * (1 - index / len(FAULTS)), minutes=-chance.randint(0, 200))
        members = chance.sample(companies, affected)
        yield start, _Step(name, description, members, None)
        for company in members:
            at = start
            for status in PROGRESS[1 : chance.choices(range(1, 7), weights=(3, 4, 4, 3, 6, 2))[0]]:
                at += timedelta(minutes=chance.randint(8, 600))
                if at < present:
                    yield at, _Step(name, description, [company], status)


class _SimulatedClock:
    """The current time as the operations see it; assign `at` to change it."""

    def __init__(self, at: datetime) -> None:
        self.at = at


@contextmanager
def _simulated_clock(start: datetime) -> Iterator[_SimulatedClock]:
    """Makes the operations in the block see a past time, so that the history covers several days."""
    system = clock.source
    simulated = _SimulatedClock(start)
    clock.source = lambda: simulated.at
    try:
        yield simulated
    finally:
        clock.source = system
