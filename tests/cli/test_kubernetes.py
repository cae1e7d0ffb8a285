"""The variables that Kubernetes adds for a service are ignored; mistyped settings are rejected."""

import pytest

from issue_tracker.settings import Settings, SettingsError, load

SERVICE = {
    "ISSUE_TRACKER_SERVICE_HOST": "10.96.7.8",
    "ISSUE_TRACKER_SERVICE_PORT": "80",
    "ISSUE_TRACKER_PORT": "tcp://10.96.7.8:80",
    "ISSUE_TRACKER_PORT_80_TCP": "tcp://10.96.7.8:80",
    "ISSUE_TRACKER_PORT_80_TCP_PROTO": "tcp",
    "ISSUE_TRACKER_PORT_80_TCP_PORT": "80",
    "ISSUE_TRACKER_PORT_80_TCP_ADDR": "10.96.7.8",
}

NAMED_PORTS = {
    "ISSUE_TRACKER_SERVICE_PORT_HTTP": "80",
    "ISSUE_TRACKER_SERVICE_PORT_METRICS_V2": "9000",
    "ISSUE_TRACKER_PORT_9000_UDP": "udp://10.96.7.8:9000",
    "ISSUE_TRACKER_PORT_9000_UDP_PROTO": "udp",
    "ISSUE_TRACKER_PORT_9000_UDP_PORT": "9000",
    "ISSUE_TRACKER_PORT_9000_UDP_ADDR": "10.96.7.8",
    "ISSUE_TRACKER_PORT_9001_SCTP": "sctp://10.96.7.8:9001",
    "ISSUE_TRACKER_PORT_9001_SCTP_PROTO": "sctp",
    "ISSUE_TRACKER_PORT_9001_SCTP_PORT": "9001",
    "ISSUE_TRACKER_PORT_9001_SCTP_ADDR": "10.96.7.8",
}


def renamed(variables: dict[str, str], service: str) -> dict[str, str]:
    """Returns the same variables for a service with another name."""
    return {name.replace("ISSUE_TRACKER", service): value for name, value in variables.items()}


def with_address(variables: dict[str, str], address: str) -> dict[str, str]:
    bracketed = f"[{address}]"
    return {
        name: value.replace("10.96.7.8", bracketed if "://" in value else address) for name, value in variables.items()
    }


@pytest.mark.parametrize(
    "added",
    [
        SERVICE,
        SERVICE | NAMED_PORTS,
        with_address(SERVICE | NAMED_PORTS, "fd00:10:96::7"),
        renamed(SERVICE | NAMED_PORTS, "ISSUE_TRACKER_POSTGRESQL"),
        renamed(SERVICE, "ISSUE_TRACKER_METRICS") | SERVICE,
        renamed(SERVICE, "KUBERNETES"),
    ],
    ids=["plain", "named-ports", "ipv6", "another-service", "two-services", "unrelated"],
)
def test_the_variables_of_a_service_change_no_setting(added: dict[str, str]) -> None:
    assert load(added) == Settings()
    chosen = added | {"ISSUE_TRACKER_HOST": "0.0.0.0", "ISSUE_TRACKER_WORKERS": "2"}
    assert load(chosen, port=9000) == Settings(host="0.0.0.0", workers=2, port=9000)
    assert load(chosen | {"ISSUE_TRACKER_PORT": "8001"}).port == 8001


@pytest.mark.parametrize(
    "mistyped",
    [
        {"ISSUE_TRACKER_TRHEADS": "8"},
        {"ISSUE_TRACKER_SERVICE_PORT": "8000"},
        {"ISSUE_TRACKER_SERVICE_HOST": "issues.example.com"},
        {"ISSUE_TRACKER_PORT_80_TCP": "tcp://10.96.7.8:80"},
        SERVICE | {"ISSUE_TRACKER_TRHEADS": "8"},
        SERVICE | {"ISSUE_TRACKER_SERVICE_NAME": "80"},
        SERVICE | {"ISSUE_TRACKER_SERVICE_PORT": "eighty"},
        SERVICE | {"ISSUE_TRACKER_PORT_80_TCP": "10.96.7.8:80"},
        SERVICE | {"ISSUE_TRACKER_PORT_80_TCP_ADDR": "issues.example.com"},
        SERVICE | {"ISSUE_TRACKER_PORT_80_TCP_PROTO": "http"},
        SERVICE | {"ISSUE_TRACKER_PORT_80_HTTP": "tcp://10.96.7.8:80"},
        SERVICE | {"ISSUE_TRACKER_WORKERS_PORT": "tcp://10.96.7.8:80"},
    ],
    ids=lambda variables: ",".join(sorted(set(variables) - set(SERVICE)) or sorted(variables)[-1:]),
)
def test_a_mistyped_setting_is_rejected(mistyped: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="no such setting"):
        load(mistyped)


@pytest.mark.parametrize("port", ["tcp://10.96.7.8:80", "tcp://issues.example.com:80", "8000a"])
def test_an_invalid_port_is_rejected_without_a_service(port: str) -> None:
    with pytest.raises(SettingsError, match="ISSUE_TRACKER_PORT is not valid"):
        load({"ISSUE_TRACKER_PORT": port})
