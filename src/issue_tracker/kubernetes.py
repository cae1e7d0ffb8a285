"""The environment variables that Kubernetes adds to a container for each service.

A service called `issue-tracker` adds `ISSUE_TRACKER_PORT=tcp://10.96.7.8:80` and others, whose names begin like those
of settings (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address

_HOST = "_SERVICE_HOST"

_endings = re.compile(
    r"(?P<address>_SERVICE_HOST|_PORT_\d+_(TCP|UDP|SCTP)_ADDR)"
    r"|(?P<number>_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT_\d+_(TCP|UDP|SCTP)_PORT)"
    r"|(?P<protocol>_PORT_\d+_(TCP|UDP|SCTP)_PROTO)"
    r"|(?P<url>_PORT(_\d+_(TCP|UDP|SCTP))?)"
)

_url = re.compile(r"(?:tcp|udp|sctp)://(?:\[(?P<six>[^\]]+)\]|(?P<four>[^:\[\]]+)):\d{1,5}")


def without_services(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Returns the environment without the variables of services whose names begin with `prefix`.

    A variable is removed only if its name and its value have the form that Kubernetes uses, and if the variable with
    the host of the same service exists as well: anything else may be a mistyped setting.
    """
    services = [
        name.removesuffix(_HOST)
        for name, value in environment.items()
        if name.startswith(prefix) and name.endswith(_HOST) and _is_address(value)
    ]
    return {
        name: value
        for name, value in environment.items()
        if not any(name.startswith(service) and _is_added(name.removeprefix(service), value) for service in services)
    }


def _is_added(ending: str, value: str) -> bool:
    """Returns whether Kubernetes adds a variable with this ending after the service's name, and with such a value."""
    found = _endings.fullmatch(ending)
    match found.lastgroup if found else None:
        case "address":
            return _is_address(value)
        case "number":
            return value.isascii() and value.isdigit()
        case "protocol":
            return value in ("tcp", "udp", "sctp")
        case "url":
            url = _url.fullmatch(value)
            return url is not None and _is_address(url["six"] or url["four"])
    return False


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
