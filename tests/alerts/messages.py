"""Messages of monitoring systems: one alert of the issue `Line down` for Contoso, in the format of each system."""

from collections.abc import Callable, Mapping
from typing import Any

from issue_tracker.alerts.senders import Kind


def prometheus(firing: bool, **more: Any) -> dict[str, Any]:
    """Alertmanager's version 4, with more fields than the receiver uses."""
    state = "firing" if firing else "resolved"
    alert = {
        "status": state,
        "labels": {"alertname": "Line down", "company": "Contoso", "severity": "critical"},
        "annotations": {"summary": "No carrier"},
        "startsAt": "2026-01-01T10:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.example/graph",
        "fingerprint": "91b5cd1f",
    }
    return {"version": "4", "groupKey": "{}:{}", "status": state, "receiver": "tracker", "alerts": [alert | more]}


def icinga(firing: bool) -> dict[str, Any]:
    return {
        "type": "PROBLEM" if firing else "RECOVERY",
        "host": "gw-7",
        "service": "line",
        "state": "CRITICAL" if firing else "OK",
        "output": "No carrier",
        "labels": {"issue": "Line down", "company": "Contoso"},
    }


def zabbix(firing: bool) -> dict[str, Any]:
    return {
        "trigger_id": "13926",
        "value": "1" if firing else "0",
        "name": "Line down",
        "host": "gw-7",
        "severity": "Disaster",
        "message": "No carrier",
        "tags": [{"tag": "company", "value": "Contoso"}, {"tag": "scope", "value": "availability"}],
    }


def kuma(firing: bool) -> dict[str, Any]:
    return {
        "heartbeat": {"monitorID": 3, "status": 0 if firing else 1, "msg": "No carrier", "time": "2026-01-01 10:00:00"},
        "monitor": {"id": 3, "name": "Line down", "url": "https://", "tags": [{"name": "company", "value": "Contoso"}]},
        "msg": "[Line down] [Down] No carrier",
    }


def healthchecks(firing: bool) -> dict[str, Any]:
    status = "down" if firing else "up"
    return {"name": "Line down", "code": "8f1c", "status": status, "tags": "prod company=Contoso"}


def generic(firing: bool) -> dict[str, Any]:
    what = {"id": 7, "ok": not firing, "what": "Line down", "who": {"company": "Contoso", "issue": "Line down"}}
    return {"data": {"checks": [what]}}


def email(firing: bool) -> str:
    return f"From: rmm@monitoring.example\nSubject: {'DOWN' if firing else 'UP'}: Line down\n\nCompany: Contoso\n"


MESSAGES: Mapping[Kind, Callable[[bool], dict[str, Any] | str]] = {
    Kind.ALERTMANAGER: prometheus,
    Kind.GRAFANA: lambda firing: prometheus(firing, panelURL="https://grafana.example/d/1", values={"A": 1}),
    Kind.ICINGA: icinga,
    Kind.ZABBIX: zabbix,
    Kind.UPTIME_KUMA: kuma,
    Kind.HEALTHCHECKS: healthchecks,
    Kind.GENERIC: generic,
    Kind.EMAIL: email,
}

GENERIC = {"alerts": "data.checks", "key": "id", "state": "ok", "resolved": ["true"], "labels": "who"}
