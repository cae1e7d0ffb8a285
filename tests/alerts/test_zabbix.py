"""The script of docs/alerts.md, run by the interpreter of Zabbix itself, reports a problem and its recovery."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.messages import zabbix
from tests.alerts.monitoring import program, surroundings
from tests.alerts.test_alerts import listed, statuses
from tests.alerts.test_receivers import given_receiver
from tests.examples import DOCS
from tests.world import World


def run(script: Path, parameters: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    """Runs the script with the parameters of the media type, all of which are texts."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    command = [str(program("zabbix_js")), "-s", str(script), "-p", json.dumps(texts)]
    return subprocess.run(command, env=surroundings(), capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_documented_script_works(world: World, tmp_path: Path) -> None:
    section = (DOCS / "alerts.md").read_text(encoding="utf-8").partition("## Zabbix\n")[2].partition("\n## ")[0]
    [code] = re.findall(r"^```js\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    documented = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert documented == {"url", *zabbix(True)}, "the message of the tests has the documented parameters"
    script = tmp_path / "script.js"
    script.write_text(code)
    url = world.server.url + given_receiver(world, "zabbix")
    for firing, status in ((True, "investigating"), (True, "investigating"), (False, "resolved")):
        done = run(script, {"url": url, **zabbix(firing)})
        assert (done.returncode, done.stdout.strip()) == (0, "OK"), done.stderr
        assert statuses(world) == {"Contoso": status}
    refused = run(script, {"url": url[:-1], **zabbix(True)})
    assert "Issue Tracker: 404" in refused.stdout + refused.stderr and refused.stdout.strip() != "OK"
    assert len(listed(world)) == 1
