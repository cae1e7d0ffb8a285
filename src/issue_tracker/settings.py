"""Every setting in one typed table, read from the environment once at the start.

`ISSUE_TRACKER_<NAME>` sets a value, and `ISSUE_TRACKER_<NAME>_FILE` names a file that holds it, for secrets. A test
compares docs/settings.md with this table.
"""

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from issue_tracker.kubernetes import without_services
from issue_tracker.names import storable

PREFIX = "ISSUE_TRACKER_"
DEFAULT_DATABASE_URL = "sqlite:///data/issue-tracker.db"


class SettingsError(Exception):
    """A setting has an invalid value; the message says which one, and what would be right."""


Positive = Annotated[int, Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process. `Meta.description` is the documentation of each."""

    database_url: Annotated[
        str,
        Meta(
            description="`sqlite:///path/to/file.db` or `postgresql://user:password@host/database`; several hosts "
            "are separated by commas."
        ),
    ] = DEFAULT_DATABASE_URL
    public_url: Annotated[
        str,
        Meta(description="The address that browsers use. With https, cookies are Secure and HSTS is sent."),
    ] = "http://127.0.0.1:8000"
    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="The port to listen on.")] = 8000
    workers: Annotated[int, Meta(ge=1, le=64, description="The number of server processes.")] = 1
    threads: Annotated[
        int,
        Meta(
            ge=1,
            le=200,
            description="Worker threads of each server process. On PostgreSQL, each process opens at most 16 "
            "connections more than that.",
        ),
    ] = 8
    database_wait_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=30,
            description="How long a request waits for a connection or a lock before the response is 503.",
        ),
    ] = 4.0
    session_idle_hours: Annotated[
        float,
        Meta(gt=0, le=8760, description="How long a session may stay unused before it ends; at most 8760, a year."),
    ] = 12.0
    session_lifetime_days: Annotated[
        float,
        Meta(
            gt=0,
            le=3650,
            description="The age at which a session ends, even when it is in use; at most 3650, ten years.",
        ),
    ] = 30.0
    sign_in_account_limit: Annotated[
        int,
        Meta(
            ge=1,
            description="How many failed sign-ins for one account in the window are allowed before the response "
            "is 429.",
        ),
    ] = 10
    sign_in_address_limit: Annotated[
        int,
        Meta(
            ge=1,
            description="How many failed sign-ins from one address in the window are allowed before the response "
            "is 429.",
        ),
    ] = 50
    sign_in_window_minutes: Annotated[
        float,
        Meta(gt=0, le=10080, description="The window in which failed sign-ins are counted; at most 10080, a week."),
    ] = 15.0
    webhook_allowed_networks: Annotated[
        str,
        Meta(
            description="Networks (CIDRs, comma-separated) that webhooks may reach although they are private, "
            "loopback or link-local."
        ),
    ] = ""
    webhook_timeout_seconds: Annotated[
        float, Meta(gt=0, le=60, description="How long one attempt to deliver a message may take in total.")
    ] = 10.0
    deliver_webhooks: Annotated[
        bool, Meta(description="Whether `serve` delivers webhook messages; if it does not, run `issue-tracker worker`.")
    ] = True
    delivery_retention_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="Finished deliveries are deleted after so many days, with their attempts; 0 retains them.",
        ),
    ] = 90.0
    failed_sign_in_retention_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36500,
            description="Failed sign-ins are deleted from the audit after so many days; 0 retains them.",
        ),
    ] = 90.0
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Addresses or CIDRs, comma-separated, of the reverse proxies whose "
            "X-Forwarded-For and X-Forwarded-Proto are believed."
        ),
    ] = ""
    log_format: Annotated[str, Meta(pattern="^(auto|json|console)$", description="`json`, `console` or `auto`.")] = (
        "auto"
    )
    log_level: Annotated[
        str,
        Meta(pattern="^(debug|info|warning|error)$", description="`debug`, `info`, `warning` or `error`."),
    ] = "info"
    metrics: Annotated[bool, Meta(description="Whether `/metrics` is served (Prometheus text, without sign-in).")] = (
        False
    )

    @property
    def sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def https(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings from `environment` (default: the process's), `overrides` first where not None.

    What Kubernetes adds for services is ignored. Raises SettingsError for an unknown setting or an invalid value,
    saying what would be right.
    """
    environment = without_services(os.environ if environment is None else environment, PREFIX)
    hints = get_type_hints(Settings, include_extras=True)
    values: dict[str, Any] = {}
    for name, kind in hints.items():
        given = overrides.get(name)
        text = given if given is not None else _read(environment, PREFIX + name.upper())
        if text is None:
            continue
        if isinstance(text, str) and not storable(text):
            raise SettingsError(f"{PREFIX}{name.upper()} is not valid: it is not UTF-8.")
        try:
            values[name] = msgspec.convert(text, kind, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{PREFIX}{name.upper()} is not valid: {error}. {_description(kind)}") from None
    unknown = sorted(
        key for key in environment if key.startswith(PREFIX) and _field(key) not in hints and environment[key]
    )
    if unknown:
        raise SettingsError(f"{', '.join(unknown)}: no such setting. docs/settings.md lists them all.")
    settings = Settings(**values)
    _check(settings)
    return settings


def _field(key: str) -> str:
    return key.removeprefix(PREFIX).removesuffix("_FILE").lower()


def _read(environment: Mapping[str, str], key: str) -> str | None:
    direct, file = environment.get(key), environment.get(f"{key}_FILE")
    if direct and file:
        raise SettingsError(f"{key} conflicts with {key}_FILE: set one of them.")
    if not file:
        return direct or None
    try:
        return Path(file).read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise SettingsError(f"{key}_FILE cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{key}_FILE cannot be read: the file is not UTF-8.") from None


def _description(kind: Any) -> str:
    return next((meta.description or "" for meta in kind.__metadata__ if isinstance(meta, Meta)), "")


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """The networks of a comma-separated list. Raises ValueError for a part that is not a network."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


def _check(settings: Settings) -> None:
    _check_database_url(settings.database_url)
    if not _origin(settings.public_url):
        raise SettingsError(f"{PREFIX}PUBLIC_URL must be like https://issues.example.com, without a path.")
    for name, text in (
        ("WEBHOOK_ALLOWED_NETWORKS", settings.webhook_allowed_networks),
        ("TRUSTED_PROXIES", "" if settings.trusted_proxies == "*" else settings.trusted_proxies),
    ):
        try:
            networks(text)
        except ValueError as refused:
            raise SettingsError(f"{PREFIX}{name} must be like 10.0.0.0/8,192.168.1.0/24: {refused}.") from None


def _check_database_url(text: str) -> None:
    name = f"{PREFIX}DATABASE_URL"
    scheme = text.split(":", 1)[0]
    if scheme not in ("sqlite", "postgresql", "postgres", "postgresql+psycopg"):
        raise SettingsError(f"{name} must start with sqlite:/// or postgresql://.")
    try:
        urls = [make_url(url) for url in _one_host_each(text)]
        for url in urls:
            (url.host or "").encode("idna")
    except (ArgumentError, ValueError):
        raise SettingsError(f"{name} cannot be read; it must be like {DEFAULT_DATABASE_URL}.") from None
    if any(url.database in (None, "", ":memory:") for url in urls):
        raise SettingsError(f"{name} must name a database, like {DEFAULT_DATABASE_URL}.")
    if "%00" in text or "\0" in text:
        raise SettingsError(f"{name} must not contain a NUL character.")
    if any("@" in (url.host or "") for url in urls):
        # Otherwise the end of a password would be taken for the host, and shown in error messages.
        raise SettingsError(f"{name} is ambiguous: write @ in a user name or a password as %40.")
    if scheme == "sqlite" and "?" in text:
        # Otherwise the name of the file would end there.
        raise SettingsError(f"{name} takes no parameters for SQLite: write ? in a path as %3F.")


def _one_host_each(url: str) -> list[str]:
    """A database URL for each of its hosts: libpq accepts several with ports, which SQLAlchemy cannot read."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    return [f"{scheme}://{user}{at}{host}{slash}{path}" for host in hosts.split(",")]


def _origin(text: str) -> bool:
    """Whether a text consists of the scheme, host and port of a site, and nothing else."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    plain = url.path in ("", "/") and not (url.query or url.fragment or "@" in url.netloc)
    return url.scheme in ("http", "https") and bool(url.hostname) and plain and port != 0
