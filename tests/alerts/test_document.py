"""Every message in docs/alerts.md opens the issue when it is sent to a receiver of its kind."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from issue_tracker.alerts.senders import Kind
from tests.alerts.feeds.supplier import Poller, supplier_page
from tests.alerts.test_receivers import send
from tests.examples import DOCS
from tests.world import World

_section = re.compile(r"^The kind is `(.+?)`(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_message = re.compile(r"^```(?:json|eml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = dict(_section.findall((DOCS / "alerts.md").read_text(encoding="utf-8")))
FEED = SECTIONS.pop(Kind.FEED.value)


def test_every_kind_is_described() -> None:
    assert {*SECTIONS, Kind.FEED.value} == {kind.value for kind in Kind}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", SECTIONS)
def test_the_message_of_each_sender_opens_an_issue(world: World, kind: str) -> None:
    [message] = _message.findall(SECTIONS[kind])
    made = world.client("ada").call("POST", "/api/alert-receivers", 201, json={"name": "R", "kind": kind})
    path = made["url"].removeprefix(world.server.settings.public_url)
    content = message if kind == Kind.EMAIL else json.loads(message)
    assert send(world, path, content) == {"received": 1, "opened": 1}
    [issue] = world.client().call("GET", "/api/issues", 200)["items"]
    assert [one["company_name"] for one in issue["assignments"]] == ["Contoso"]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_status_feed_opens_an_issue(world: World) -> None:
    created, feed = re.findall(r"^```json\n(.*?)^```$", FEED, re.MULTILINE | re.DOTALL)
    body = json.loads(created)
    group = {"name": body["feed"]["company_group"], "company_names": ["Contoso"]}
    world.client("ada").call("POST", "/api/company-groups", 201, json=group)
    with supplier_page() as supplier:
        supplier.show(feed)
        body["feed"]["url"] = supplier.url
        world.client("ada").call("POST", "/api/alert-receivers", 201, json=body)
        assert Poller(world).poll() == 1
    [issue] = world.client().call("GET", "/api/issues", 200)["items"]
    assert f"“{issue['name']}”" in FEED and issue["severity"] == "high"
    assert [one["company_name"] for one in issue["assignments"]] == ["Contoso"]


def test_the_script_for_zabbix_sends_the_message(tmp_path: Path) -> None:
    """Zabbix runs it as the body of a function, with the parameters of the media type as `value`."""
    [script] = re.findall(r"^```js\n(.*?)^```$", SECTIONS["zabbix"], re.MULTILINE | re.DOTALL)
    [message] = _message.findall(SECTIONS["zabbix"])
    expected = json.loads(message)
    parameters = expected | {"url": "https://issues.example.com/", "tags": json.dumps(expected["tags"])}
    assert set(re.findall(r"^\| `(\w+)` \|", SECTIONS["zabbix"], re.MULTILINE)) == set(parameters)
    program = tmp_path / "zabbix.js"
    program.write_text(f"{ZABBIX}\nconst value = process.argv[2];\n(function () {{\n{script}}})();\n")
    command = ["node", str(program), json.dumps(parameters)]
    sent = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout)
    assert (sent["url"], sent["headers"]) == (parameters["url"], ["Content-Type: application/json"])
    assert json.loads(sent["body"]) == expected


ZABBIX = """
class HttpRequest {
    constructor() { this.headers = []; }
    addHeader(header) { this.headers.push(header); }
    post(url, body) { console.log(JSON.stringify({ url, body, headers: this.headers })); return ""; }
    getStatus() { return 202; }
}
"""
"""What Zabbix offers to scripts, as far as the one on the page uses it."""
