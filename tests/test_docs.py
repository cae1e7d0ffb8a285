"""The documents are correct: examples are executed, tables compared with the code."""

import re
from pathlib import Path
from typing import get_type_hints

import msgspec
from msgspec import Meta

from issue_tracker import clock
from issue_tracker.app import declared_routes
from issue_tracker.auth.first_start import offer_setup
from issue_tracker.settings import PREFIX, Settings
from tests.clients import Client
from tests.examples import DOCS, Reader, endpoint_of, read_examples, run_readme
from tests.server import Server

ROOT = DOCS.parent


def test_every_example_of_the_api_document_works(server: Server) -> None:
    server.empty()
    with server.database.write() as tx:
        offer_setup(tx, "the-token-of-the-link", clock.now())
    with Client(base_url=server.url) as client:
        reader = Reader(client)
        for example in read_examples(DOCS / "api.md"):
            reader.run(example)


def test_every_operation_has_an_example() -> None:
    shown = {endpoint_of(example)[0].handler for path in DOCS.glob("*.md") for example in read_examples(path)}
    missing = [f"{one.method} {one.path}" for one in declared_routes() if one.documented and one.handler not in shown]
    assert missing == []


def test_the_settings_document_is_the_table_of_settings() -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    hints = get_type_hints(Settings, include_extras=True)
    expected = []
    for field in msgspec.structs.fields(Settings):
        value = str(field.default).lower() if isinstance(field.default, bool) else field.default
        meaning = next(meta.description for meta in hints[field.name].__metadata__ if isinstance(meta, Meta))
        expected.append(f"| `{PREFIX}{field.name.upper()}` | {f'`{value}`' if value != '' else ''} | {meaning} |")
    assert [line for line in text.splitlines() if line.startswith("| `")] == expected


def test_the_first_five_minutes_of_the_readme_work(server: Server, tmp_path: Path) -> None:
    server.empty()
    printed = run_readme(server, tmp_path)
    assert '"status":"resolved"' in printed
    last = printed.rsplit('{"items":', 1)[1]
    assert '"total":1' in last and "Fabrikam" in last and "Contoso" not in last


def test_links_between_documents_lead_somewhere() -> None:
    for path in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} → {target}"
