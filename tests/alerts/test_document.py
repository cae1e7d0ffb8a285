"""Every message in docs/alerts.md opens the issue when it is sent to a receiver of its kind."""

import json
import re

import pytest

from issue_tracker.alerts.senders import Kind
from tests.alerts.test_receivers import send
from tests.examples import DOCS
from tests.world import World

_section = re.compile(r"^The kind is `(.+?)`(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_message = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = dict(_section.findall((DOCS / "alerts.md").read_text(encoding="utf-8")))


def test_every_kind_is_described() -> None:
    assert set(SECTIONS) == {kind.value for kind in Kind}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", SECTIONS)
def test_the_message_of_each_sender_opens_an_issue(world: World, kind: str) -> None:
    [message] = _message.findall(SECTIONS[kind])
    made = world.client("ada").call("POST", "/api/alert-receivers", 201, json={"name": "R", "kind": kind})
    path = made["url"].removeprefix(world.server.settings.public_url)
    assert send(world, path, json.loads(message)) == {"received": 1, "opened": 1}
    [issue] = world.client().call("GET", "/api/issues", 200)["items"]
    assert [one["company_name"] for one in issue["assignments"]] == ["Contoso"]
