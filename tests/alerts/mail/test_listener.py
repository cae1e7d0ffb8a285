"""Alerts by email, sent with a real client over LMTP and SMTP, are opened, repeated, cleared, refused and ignored."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from issue_tracker.alerts.mail import listener, operations
from issue_tracker.errors import Invalid
from tests.alerts.mail.sending import SENDER, Listening, given_mail_receiver, listening, message, send
from tests.alerts.test_alerts import listed, statuses
from tests.engines import decided_in_python
from tests.logged import Logged
from tests.world import World

AWAY = {"Auto_Submitted": "auto-replied"}


@pytest.fixture
def mail(world: World) -> Iterator[Listening]:
    with listening(world) as mail:
        yield mail


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
def test_mail_opens_and_clears_an_issue(world: World, protocol: str) -> None:
    address = given_mail_receiver(world)
    secret, _, domain = address.partition("@")
    assert domain == "127.0.0.1" and len(secret) == 40
    with listening(world, protocol) as mail:
        code, text = mail.send(address, message(body="Severity: critical\nCompany: contoso\n\nNo carrier"))
        assert (code, text) == (250, "2.0.0 Message taken")
        assert statuses(world) == {"Contoso": "investigating"}
        created = world.history()[0]
        assert (created.actor_id, created.channel) == (None, "receiver:RMM")
        issue = world.client().call("GET", "/api/issues/Line down", 200)
        assert issue["severity"] == "critical" and issue["description"].endswith("No carrier")
        assert mail.send(f"alerts+{secret.upper()}@elsewhere.example", message())[0] == 250
        [alert] = listed(world, "?state=firing")
        assert (alert["key"], alert["count"], alert["receiver"]) == ("line down/contoso", 2, "RMM")
        assert mail.send(address, message("[Recovered] Line down", "Company: contoso"))[0] == 250
        assert statuses(world) == {"Contoso": "resolved"}
        assert mail.counted("taken") == 3


@decided_in_python
def test_only_addresses_of_receivers_are_recipients(world: World, mail: Listening, logged: Logged) -> None:
    address = given_mail_receiver(world)
    other = given_mail_receiver(world, "Backups")
    secret = address.partition("@")[0]
    wrong = ("0" if secret[0] != "0" else "1") + secret[1:]
    ada = world.client("ada")
    [backups, rmm] = ada.call("GET", "/api/alert-receivers", 200)["items"]
    with mail.client() as client:
        for recipient in (f"{wrong}@127.0.0.1", "root@localhost", f"{secret}x@h.example", f"x{secret}@h.example"):
            assert send(client, recipient, message()) == (550, "5.1.1 No such recipient here")
        client.mail(SENDER)
        assert client.rcpt(address)[0] == 250 and client.rcpt(other)[0] == 452
        assert client.data(message().encode())[0] == 250
        ada.call("PUT", f"/api/alert-receivers/{backups['id']}", 200, json={"active": False})
        assert send(client, other, message())[0] == 550
        client.mail(SENDER)
        assert client.rcpt(address)[0] == 250
        ada.call("DELETE", f"/api/alert-receivers/{rmm['id']}", 204)
        assert client.data(message().encode())[0] == 550
    assert mail.counted("unknown_recipient") == 5 and listed(world) == []
    unknown = [entry for entry in logged.lines if entry["event"] == "mail for an unknown recipient"]
    assert [entry["address"] for entry in unknown] == ["127.0.0.1"] * 5 and secret not in logged.text


def test_a_message_is_accepted_once(world: World, mail: Listening) -> None:
    address = given_mail_receiver(world)
    ids = {"Message_ID": "<1@monitoring.example>", "Date": "Thu, 26 Nov 2026 04:00:00 +0000"}
    first = message(**ids)
    assert mail.send(address, first)[1] == "2.0.0 Message taken"
    assert mail.send(address, f"Received: from elsewhere\r\n{first}")[1] == "2.0.0 Message repeated"
    path = f"/api/alerts/in/email/{address.partition('@')[0]}"
    assert world.anonymous().call("POST", path, 202, content=first.encode())["received"] == 0
    assert [alert["count"] for alert in listed(world)] == [1]
    assert mail.send(address, message(**(ids | {"Message_ID": "<2@monitoring.example>"})))[1].endswith("taken")
    assert mail.send(given_mail_receiver(world, "Other"), first)[1].endswith("taken")
    assert sorted(alert["count"] for alert in listed(world)) == [1, 2]
    assert mail.counted("repeated") == 1


IGNORED = {
    "an answer": AWAY,
    "a notice": {"Auto_Submitted": "auto-notified"},
    "Outlook": {"Auto_Submitted": "auto-generated", "X_Auto_Response_Suppress": "All"},
    "an old answer": {"Precedence": "auto_reply"},
    "bulk": {"Precedence": "bulk"},
    "a list": {"List_Id": "<news.example.com>"},
    "a bounce": {"Return_Path": "<>"},
    "a report": {"Content_Type": 'multipart/report; report-type=delivery-status; boundary="x"'},
    "an autoresponder": {"X_Autoreply": "yes"},
}


@decided_in_python
def test_loops_and_automatic_replies_are_ignored(world: World, mail: Listening) -> None:
    address = given_mail_receiver(world)
    with mail.client() as client:
        for what, headers in IGNORED.items():
            assert send(client, address, message(**headers)) == (250, "2.0.0 Message ignored"), what
        assert send(client, address, message(), sender="")[1] == "2.0.0 Message ignored"
        assert listed(world) == []
        assert mail.counted("ignored") == len(IGNORED) + 1
        for headers in ({"Auto_Submitted": "auto-generated", "Precedence": "bulk"}, {"Auto_Submitted": "no"}):
            assert send(client, address, message(**headers))[1] == "2.0.0 Message taken"
    tolerant = given_mail_receiver(world, "Tolerant", patterns={"automatic": True})
    with mail.client() as client:
        assert send(client, tolerant, message(Precedence="bulk"))[1] == "2.0.0 Message taken"
        assert send(client, tolerant, message(Return_Path="<>"))[1] == "2.0.0 Message ignored"


HTML = (
    "<html><head><title>x</title><style>p{}</style></head><body><script>alert(1)</script><table><tr><td><b>Company:</b>"
    "</td><td>M&uuml;ller &amp;\nS&#246;hne</td></tr></table><p>Line 1<br>Line&nbsp;2<p><a href='http://x'>More</a>"
)


@decided_in_python
def test_html_charsets_and_parts_are_read(world: World, mail: Listening) -> None:
    address = given_mail_receiver(world)
    html = message(
        "=?utf-8?b?RE9XTjogRHLDvGNr?= =?iso-8859-1?q?er_=E4?=", HTML, Content_Type="text/html; charset=ascii"
    )
    assert mail.send(address, html)[0] == 250
    [alert] = listed(world)
    assert (alert["issue"], alert["company_name"]) == ("Drücker ä", "Müller & Söhne")
    assert alert["summary"] == "Company: Müller & Söhne\nLine 1\nLine 2\nMore"
    mixed = (
        "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>No\r\n"
        "--c\r\nContent-Type: text/plain; charset=windows-1252\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "Company: Fabrikam\r\nCaf=E9\r\n--c--\r\n--b\r\nContent-Type: application/pdf\r\n\r\nCompany: Contoso\r\n--b--"
    )
    assert mail.send(address, message("Disk full", mixed, Content_Type="multipart/mixed; boundary=b"))[0] == 250
    alert = listed(world)[0]
    assert (alert["issue"], alert["company_name"], alert["summary"]) == (
        "Disk full",
        "Fabrikam",
        "Company: Fabrikam\nCafé",
    )


UNENDED = ("<!--", "<?", "</a", "<![", "<![CDATA[", '<a a="', "<a a='", "<title>")
"""What the HTML parser of older Python versions reads in quadratic time, unless it has an end."""

MOST_SECONDS = 1.0
"""Maximum processor time for one message, in this process, where reading one takes milliseconds."""

HOSTILE: dict[str, str] = {
    "no subject": message("", "x"),
    "markup": message("<script>alert(1)</script>", "<b>\x1b[31m"),
    "unknown charset": message(body="Company: \xff", Content_Type="text/plain; charset=nonsense"),
    "broken words": message("=?utf-8?b?!!!!?= =?x?q?=FF?= \udc80"),
    "broken encoding": message(body="!!!", Content_Transfer_Encoding="base64"),
    "broken type": message(Content_Type="text/plain; charset*0*=\"x; name*=a'b; ;;;=; boundary"),
    "no end": message(body="--b", Content_Type="multipart/mixed; boundary=b"),
    "no boundary": message(Content_Type="multipart/mixed"),
    "broken address": message().replace(SENDER, '"<<>>@@,;:(((' * 50),
    "deep": message(
        body="".join(f"--{n}\r\nContent-Type: multipart/mixed; boundary={n + 1}\r\n\r\n" for n in range(2000)),
        Content_Type="multipart/mixed; boundary=0",
    ),
    "many parts": message(body="--b\r\n\r\n\r\n" * 5000, Content_Type="multipart/mixed; boundary=b"),
    "deep html": message(body="<div>" * 20_000, Content_Type="text/html"),
    "broken html": message(body="<!" * 20_000 + "<![x" * 20_000 + "&#x" * 10_000, Content_Type="text/html"),
    "escapes": message(body="\\ud800", Content_Type="text/plain; charset=unicode_escape"),
    "a surrogate": message(body="+2AA-", Content_Type="text/plain; charset=utf-7"),
    "slow codec": message(body="-" + "a" * 200_000, Content_Type="text/plain; charset=punycode"),
    **{f"no end of {part}": message(body=part * (99_000 // len(part)), Content_Type="text/html") for part in UNENDED},
    "long header": message(X_Long="(" * 30_000),
    "many words": message("=?utf-8?q?x?= " * 3000),
    "many parameters": message(Content_Type="text/plain; " + "a=b;" * 15_000),
    "many parameters of a part": message(
        body="--b\r\nContent-Type: text/plain; " + "a=b;" * 50_000, Content_Type="multipart/mixed; boundary=b"
    ),
    "many quotes of a part": message(
        body="--b\r\nContent-Disposition: " + '" ' * 100_000, Content_Type="multipart/mixed; boundary=b"
    ),
}


@decided_in_python
def test_hostile_messages_do_no_harm(world: World, logged: Logged) -> None:
    address = given_mail_receiver(world)
    with listening(world, mail_bytes=250_000) as mail:
        for what, content in HOSTILE.items():
            before = time.process_time()
            code, text = mail.send(address, content.encode("utf-8", "surrogateescape"))
            assert code in (250, 550) and "script" not in text, (what, code, text)
            assert time.process_time() - before < MOST_SECONDS, what
        for broken in (b"", b"x", b"no header at all", b"\0\xff", b"X: " + b"y" * 70_000):
            assert mail.send(address, broken)[0] == 550, broken[:20]
        assert mail.send(address, message(body=f"{'x' * 500}\r\n" * 600))[0] == 552
        assert mail.send(address, message())[0] == 250
        assert mail.counted("failed") == 0 and mail.counted("refused") >= 5
    assert address.partition("@")[0] not in logged.text and "script" not in logged.text
    assert "Traceback" not in logged.text
    names = {alert["issue"] for alert in listed(world)}
    assert {"Line down", "<script>alert(1)</script>"} <= names


@decided_in_python
def test_a_message_is_tried_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A concurrent change may be the reason why it cannot be stored."""
    address, receive, failures = given_mail_receiver(world), operations.receive_mail, [Invalid("changed")]

    def failing(*given: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return receive(*given, **named)

    monkeypatch.setattr(listener, "receive_mail", failing)
    with listening(world) as mail:
        assert mail.send(address, message()) == (250, "2.0.0 Message taken")
        failures += [Invalid("changed")] * 2
        assert mail.send(address, message()) == (550, "5.6.0 changed") and failures == []
        assert (mail.counted("taken"), mail.counted("refused")) == (1, 1)


@decided_in_python
def test_connections_have_limits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    address = given_mail_receiver(world)
    with listening(world, mail_connections=2) as mail:
        first, second = mail.client(), mail.client()
        with pytest.raises(Exception, match="421"):
            mail.client()
        assert send(first, address, message())[0] == 250
        for command in ("VRFY root", "EXPN staff", "AUTH PLAIN AGEAYg==", "STARTTLS", "TURN"):
            assert second.docmd(command)[0] >= 252
        first.quit()
        second.quit()
        assert mail.send(address, message())[0] == 250
    # A line without an end is not buffered without limit.
    with listening(world, mail_bytes=10_000) as mail, socket.create_connection(("127.0.0.1", mail.port), 20) as endless:
        with pytest.raises(ConnectionError):
            endless.sendall(b"x" * 20_000_000)
        assert mail.send(address, message("DOWN: Other line"))[0] == 250
    monkeypatch.setattr(listener, "SESSION_SECONDS", 0.2)
    with (
        listening(world) as mail,
        socket.create_connection(("127.0.0.1", mail.port), 20) as idle,
        suppress(ConnectionError),
    ):
        idle.makefile("rb").read()  # until the server ends the connection
