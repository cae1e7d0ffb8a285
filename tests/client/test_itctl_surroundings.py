"""itctl in difficult environments: unusable settings, full or closed outputs, hostile text."""

import json
import subprocess
import sys

import pytest

from issue_tracker_client import Tracker
from tests.client.conftest import ITCTL, Run
from tests.client.troubles import TroubledNetwork, response

ESC, CSI, BELL = "\x1b", "\x9b", "\a"


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (["create", "x", "--idempotency-key", "Störung"], {}),
        (["say", "x", "text", "--idempotency-key", ""], {}),
        (["update", "x", "--description", "y", "--if-match", "ö"], {}),
        (["list", "--since", "9999-12-31T23:59:59-10:00"], {}),
        (["list"], {"ITCTL_TOKEN_FILE": "", "ITCTL_TOKEN": "itk_ö"}),
        (["list"], {"ITCTL_TOKEN_FILE": "", "ITCTL_TOKEN": "itk_a\nb"}),
        *[(["--url", url, "list"], {}) for url in ("http://[::1", "http://h:abc", "http://a..b")],
        (["list"], {"SSL_CERT_FILE": "/nonexistent"}),
        (["list"], {"HTTP_PROXY": "http://h:abc"}),
    ],
)
def test_unusable_settings_are_wrong_usage(itctl: Run, arguments: list[str], changed: dict[str, str]) -> None:
    printed = itctl(*arguments, code=2, **changed)
    assert (printed.stdout, printed.stderr.count("\n"), "itk_" in printed.stderr) == ("", 1, False)


@pytest.mark.parametrize(
    ("command", "code", "sentences"),
    [
        ("list >/dev/full", 1, 1),
        ("list --json >&-", 1, 1),
        ("show VPN >&-", 1, 1),
        ("--help >/dev/full", 1, 1),
        ("set VPN Acme resolved >&-", 0, 0),
        ("set VPN Acme resolved --json >/dev/full", 1, 1),
        ("set VPN Acme resolved >&- 2>&-", 0, 0),
        ("set VPN Acme fine 2>&-", 1, 0),
        ("set VPN Acme fine 2>/dev/full", 1, 0),
        ("set VPN 2>/dev/full", 2, 0),
        ("2>/dev/full", 2, 0),
        ("--patience 0 --url http://127.0.0.1:9 list 2>/dev/full", 3, 0),
    ],
)
def test_an_unwritable_output_is_reported(
    environment: dict[str, str], technician: Tracker, command: str, code: int, sentences: int
) -> None:
    technician.create_issue("VPN", companies=["Acme"])
    done = subprocess.run(
        f"'{ITCTL}' {command}", shell=True, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", sentences), done.stderr
    expected = "resolved" if "resolved" in command else "new"
    assert technician.issue("VPN").assignments[0].status == expected


def test_input_and_output_are_utf_8_in_every_locale(environment: dict[str, str], technician: Tracker) -> None:
    technician.create_issue("Störung Ż", companies=["Acme"])
    changed = environment | {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}

    def run_in_shell(command: str) -> tuple[int, str, str]:
        done = subprocess.run(command, shell=True, env=changed, capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    say = f"'{ITCTL}' say 'Störung Ż' -"
    code, printed, complaint = run_in_shell(rf"printf '\357\273\277caf\303\251 \305\273' | {say} && '{ITCTL}' list")
    assert (code, complaint) == (0, "") and printed.startswith("Störung Ż\tAcme\tnew\t")
    assert [update.body for update in technician.updates()] == ["café Ż"]
    refused = run_in_shell(rf"printf 'caf\351' | {say}")
    assert refused == (2, "", "itctl: The standard input is not UTF-8 text.\n")
    assert run_in_shell(f"{say} <&-") == (2, "", "itctl: The standard input is closed.\n")


def test_text_of_other_users_cannot_control_the_terminal(itctl: Run, technician: Tracker) -> None:
    technician.create_issue("VPN", description=f"First{ESC}[2J\r\n\r\nsecond\tpart{CSI}31m", companies=["Acme"])
    technician.set_status("VPN", "Acme", "resolved", note=f"one\ntwo{ESC}]0;title{BELL}\x7f")
    assert itctl("show", "VPN").stdout.splitlines()[:4] == ["VPN", r"First\x1b[2J", "", r"second\tpart\x9b31m"]
    for history in (itctl("events", "--limit", "1"), itctl("watch", "--after", "0", "--limit", "3")):
        row = history.stdout.splitlines()[-1]
        assert row.split("\t")[3:] == ["VPN / Acme", "new -> resolved", r"one\ntwo\x1b]0;title\x07\x7f"]
    shown = itctl("show", "VPN", "--json").stdout
    assert shown.removesuffix("\n").isprintable()
    assert json.loads(shown)["description"] == technician.issue("VPN").description


def test_an_error_message_cannot_control_the_terminal(itctl: Run, network: TroubledNetwork) -> None:
    network.ahead = [response(400, b'{"detail": "No\\u001b[2J\\nway"}')]
    assert itctl("show", "VPN", ITCTL_URL=network.url, code=1).stderr == "itctl: No\\x1b[2J\\nway\n"


def test_it_works_with_the_oldest_declared_version_of_click() -> None:
    """The types of click became generic only in 8.4."""
    plain = "import click; click.ParamType = type('ParamType', (), {}); import issue_tracker_client.itctl"
    done = subprocess.run([sys.executable, "-c", plain], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
