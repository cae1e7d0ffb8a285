"""Settings of the server: its database, its addresses, its logs."""

from typing import Annotated

import msgspec
from msgspec import Meta

DEFAULT_DATABASE_URL = "sqlite:///data/issue-tracker.db"


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`Meta.description` is the documentation of each setting."""

    database_url: Annotated[
        str,
        Meta(
            description="`sqlite:///path/to/file.db` or `postgresql://user:password@host/database`; several hosts "
            "are separated by commas.",
        ),
    ] = DEFAULT_DATABASE_URL
    public_url: Annotated[
        str,
        Meta(description="The address that browsers use. With https, cookies are Secure and HSTS is sent."),
    ] = "http://127.0.0.1:8000"
    secret_key: Annotated[
        str,
        Meta(
            description="The key that encrypts stored secrets and signs cookies: at least 32 random characters, "
            "the same on every node. Former keys follow it, separated by commas. By default it is generated and "
            "stored: on SQLite in a file next to the database, on PostgreSQL in the database.",
        ),
    ] = ""
    host: Annotated[str, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="The port to listen on.")] = 8000
    workers: Annotated[int, Meta(ge=1, le=64, description="The number of server processes.")] = 1
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Addresses or CIDRs, comma-separated, of the reverse proxies whose X-Forwarded-For and "
            "X-Forwarded-Proto headers are trusted.",
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
