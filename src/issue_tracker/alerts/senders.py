"""Parses the messages of monitoring systems, in their own formats, into alerts with labels.

Each format is a struct with the fields that are used; others are ignored. The formats follow the public documentation
of the senders; `docs/alerts.md` shows an example of each.
"""

import hashlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from issue_tracker.alerts.formats import decode, read_state
from issue_tracker.alerts.mapping import Mapping as GenericMapping
from issue_tracker.alerts.mapping import mapped
from issue_tracker.alerts.models import AlertState
from issue_tracker.errors import Invalid
from issue_tracker.looks import unstacked

MOST_ALERTS = 500
"""Maximum number of alerts in one message."""

MOST_LABELS = 100
LONGEST_LABEL = 1000
LONGEST_KEY = 255
LONGEST_SUMMARY = 10_000


class Kind(StrEnum):
    """The format that a receiver accepts. A receiver of the kind `feed` accepts nothing: the server polls a feed."""

    ALERTMANAGER = "alertmanager"
    GRAFANA = "grafana"
    ICINGA = "icinga"
    ZABBIX = "zabbix"
    UPTIME_KUMA = "uptime-kuma"
    HEALTHCHECKS = "healthchecks"
    GENERIC = "generic"
    EMAIL = "email"
    FEED = "feed"


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as its sender describes it. `key` is the same in all reports of this alert."""

    key: str
    state: AlertState
    labels: dict[str, str]
    summary: str | None = None
    url: str | None = None


def read_message(kind: Kind, content: bytes, mapping: GenericMapping | None = None) -> list[Received]:
    """Returns the alerts in a message that is not an email. `mapping` is for the kind `generic`.

    Raises Invalid, with a sentence that quotes nothing from the message, if it does not have the format.
    """
    alerts = _generic(content, mapping) if kind is Kind.GENERIC else _READERS[kind](content)
    if len(alerts) > MOST_ALERTS:
        raise Invalid(f"The message contains more than {MOST_ALERTS} alerts.")
    return [bounded(alert) for alert in alerts]


class _PrometheusAlert(msgspec.Struct):
    status: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    fingerprint: str = ""
    generatorURL: str = ""
    dashboardURL: str = ""
    panelURL: str = ""


class _Prometheus(msgspec.Struct):
    alerts: list[_PrometheusAlert]


def _prometheus(content: bytes) -> list[Received]:
    """Reads Alertmanager's webhook, version 4, which Grafana sends too."""
    return [
        Received(
            key=alert.fingerprint or _digest(alert.labels),
            state=read_state(
                f"alerts[{index}].status",
                alert.status,
                firing=("firing", "alerting"),
                resolved=("resolved", "ok", "normal"),
            ),
            labels=alert.labels | {name: text for name, text in alert.annotations.items() if name not in alert.labels},
            summary=next((alert.annotations[name] for name in _SUMMARIES if alert.annotations.get(name)), None),
            url=alert.panelURL or alert.dashboardURL or alert.generatorURL or None,
        )
        for index, alert in enumerate(decode(content, _Prometheus).alerts)
    ]


_SUMMARIES = ("summary", "description", "message")


class _Icinga(msgspec.Struct):
    host: str
    state: str
    service: str = ""
    type: str = "PROBLEM"
    output: str = ""
    url: str = ""
    labels: dict[str, str] = {}


def _icinga(content: bytes) -> list[Received]:
    """Reads the message of the notification command in docs/alerts.md, for a host or a service."""
    found = decode(content, _Icinga)
    if found.type.upper() not in ("PROBLEM", "RECOVERY"):
        return []
    state = read_state("state", found.state, firing=("down", "warning", "critical", "unknown"), resolved=("up", "ok"))
    own = {"host": found.host, "service": found.service, "state": found.state}
    name = f"{found.service} on {found.host}" if found.service else found.host
    return [
        Received(
            key=f"{found.host}!{found.service}" if found.service else found.host,
            state=state,
            labels={"name": name, **own, **found.labels},
            summary=found.output or None,
            url=found.url or None,
        )
    ]


class _ZabbixTag(msgspec.Struct):
    tag: str
    value: str = ""


class _Zabbix(msgspec.Struct):
    trigger_id: str
    value: str
    name: str = ""
    host: str = ""
    severity: str = ""
    message: str = ""
    url: str = ""
    tags: list[_ZabbixTag] = []


def _zabbix(content: bytes) -> list[Received]:
    """Reads the message of the script in docs/alerts.md. A value of 1 is a problem, 0 its recovery."""
    found = decode(content, _Zabbix)
    tags = {tag.tag: tag.value for tag in found.tags}
    return [
        Received(
            key=found.trigger_id,
            state=read_state("value", found.value, firing=("1",), resolved=("0",)),
            labels={"name": found.name, "host": found.host, "severity": found.severity, **tags},
            summary=found.message or None,
            url=found.url or None,
        )
    ]


class _KumaTag(msgspec.Struct):
    name: str = ""
    value: str | None = ""


class _KumaMonitor(msgspec.Struct):
    id: int
    name: str
    url: str | None = ""
    tags: list[_KumaTag] = []


class _KumaHeartbeat(msgspec.Struct):
    status: int
    msg: str | None = ""


class _Kuma(msgspec.Struct):
    heartbeat: _KumaHeartbeat | None
    monitor: _KumaMonitor | None


def _kuma(content: bytes) -> list[Received]:
    """Reads Uptime Kuma's webhook. Its test message has no monitor. Pending (2) and maintenance (3) are ignored.

    The label `tags` lists the tags that have no value.
    """
    found = decode(content, _Kuma)
    if found.monitor is None or found.heartbeat is None or found.heartbeat.status not in (0, 1):
        return []
    monitor, heartbeat = found.monitor, found.heartbeat
    tags = ", ".join(tag.name for tag in monitor.tags if not tag.value)
    return [
        Received(
            key=str(monitor.id),
            state=AlertState.RESOLVED if heartbeat.status else AlertState.FIRING,
            labels={"name": monitor.name, "tags": tags, **{tag.name: tag.value or "" for tag in monitor.tags}},
            summary=heartbeat.msg or None,
            url=monitor.url if monitor.url and monitor.url.startswith(("http://", "https://")) else None,
        )
    ]


class _Healthchecks(msgspec.Struct):
    code: str
    status: str
    name: str = ""
    tags: str = ""


def _healthchecks(content: bytes) -> list[Received]:
    """Reads the body of a Healthchecks webhook as in docs/alerts.md. Tags like `company=Acme` become labels."""
    found = decode(content, _Healthchecks)
    pairs = [tag.partition("=") for tag in found.tags.split() if "=" in tag]
    return [
        Received(
            key=found.code,
            state=read_state("status", found.status, firing=("down",), resolved=("up",)),
            labels={"name": found.name, "tags": found.tags, **{name: value for name, _, value in pairs}},
        )
    ]


def _generic(content: bytes, mapping: GenericMapping | None) -> list[Received]:
    """Reads any JSON with the receiver's own JMESPath expressions."""
    data: Any = decode(content, Any)
    return [
        Received(
            key=one.key,
            state=AlertState.RESOLVED if one.resolved else AlertState.FIRING,
            labels=one.labels,
            summary=one.summary,
            url=one.url,
        )
        for one in mapped(data, mapping or GenericMapping())
    ]


_READERS: Mapping[Kind, Callable[[bytes], list[Received]]] = {
    Kind.ALERTMANAGER: _prometheus,
    Kind.GRAFANA: _prometheus,
    Kind.ICINGA: _icinga,
    Kind.ZABBIX: _zabbix,
    Kind.UPTIME_KUMA: _kuma,
    Kind.HEALTHCHECKS: _healthchecks,
}


def _digest(labels: dict[str, str]) -> str:
    return hashlib.blake2b(msgspec.json.encode(sorted(labels.items())), digest_size=16).hexdigest()


def bounded(alert: Received) -> Received:
    """Returns the alert with valid texts of limited length. Raises Invalid for an alert without a key."""
    labels = {
        _line(name)[:100]: _line(value).strip()[:LONGEST_LABEL]
        for name, value in list(alert.labels.items())[:MOST_LABELS]
    }
    key = _line(alert.key).strip()
    if not key:
        raise Invalid("An alert has no key.")
    summary = None if alert.summary is None else _text(alert.summary)[:LONGEST_SUMMARY].strip() or None
    url = alert.url if alert.url and alert.url.startswith(("http://", "https://")) else None
    return Received(
        key=key if len(key) <= LONGEST_KEY else hashlib.blake2b(key.encode(), digest_size=32).hexdigest(),
        state=alert.state,
        labels=labels,
        summary=summary,
        url=_line(url)[:2000] if url else None,
    )


def _text(text: Any) -> str:
    """Returns the text without characters that a database cannot store, or that cover the lines around it."""
    return unstacked(str(text).encode("utf-8", "replace").decode().replace("\0", ""))


def _line(text: Any) -> str:
    return "".join(" " if one < " " or one == "\x7f" else one for one in _text(text))
