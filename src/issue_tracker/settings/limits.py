"""Settings that limit concurrency and waiting times."""

from typing import Annotated

from msgspec import Meta

from issue_tracker.settings.server import ServerSettings


class LimitSettings(ServerSettings, frozen=True, kw_only=True):
    """`Meta.description` is the documentation of each setting."""

    threads: Annotated[
        int,
        Meta(
            ge=1,
            le=200,
            description="Worker threads of each server process. On PostgreSQL, each process opens at most 16 "
            "connections more than this.",
        ),
    ] = 8
    query_values: Annotated[
        int,
        Meta(ge=1, description="How many times a query parameter may be repeated; more are refused (422)."),
    ] = 500
    list_items: Annotated[
        int,
        Meta(
            ge=1, description="How many items a list in a body may have, such as `companies`; more are refused (400)."
        ),
    ] = 5000
    idempotency_bytes_per_user: Annotated[
        int,
        Meta(
            ge=0,
            description="How many bytes the responses stored for one user's idempotency keys may take; after "
            "that, requests with a new key are refused (429).",
        ),
    ] = 50_000_000
    idempotency_bytes: Annotated[
        int,
        Meta(
            ge=0, description="The same for all users together. Either limit may be exceeded by a minute's responses."
        ),
    ] = 500_000_000
    database_wait_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=30,
            description="How long a request waits for a connection or a lock before the response is 503.",
        ),
    ] = 4.0
    queue_length: Annotated[
        int,
        Meta(
            ge=1,
            description="How many requests may wait for a worker thread of a server process. The response to any "
            "further one is 503.",
        ),
    ] = 1000
    queue_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=30,
            description="How long a request may wait for a worker thread before the response is 503. In a lasting "
            "overload, the limit is a quarter of that.",
        ),
    ] = 4.0
    connections: Annotated[
        int,
        Meta(
            ge=1,
            description="Open connections of each server process. Beyond that, connections whose clients keep the "
            "server waiting are closed.",
        ),
    ] = 4000
    connections_per_address: Annotated[
        int,
        Meta(
            ge=1,
            description="Of these, connections from one address, or one /64 network of IPv6. Trusted proxies and "
            "this machine are exempt.",
        ),
    ] = 500
    connection_backlog: Annotated[
        int,
        Meta(ge=1, le=65535, description="Connections that the system may hold until the server accepts them."),
    ] = 1024
    header_bytes: Annotated[
        int,
        Meta(
            ge=4096,
            le=1048576,
            description="The size of the headers of a request with its first line, in bytes. The response to "
            "larger ones is 431.",
        ),
    ] = 32768
    header_seconds: Annotated[
        float,
        Meta(
            gt=0, le=600, description="How long the headers of a request may take to arrive before the response is 408."
        ),
    ] = 10.0
    body_seconds: Annotated[
        float,
        Meta(
            gt=0, le=3600, description="How long the body of a request may take to arrive before the response is 408."
        ),
    ] = 30.0
    response_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="How long a client may leave a response unread before the connection is closed.",
        ),
    ] = 30.0
    keep_alive_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="How long a connection without a request stays open. Behind a proxy, set a longer time "
            "than the proxy's.",
        ),
    ] = 5.0
    streams: Annotated[
        int,
        Meta(
            ge=1,
            description="Event streams of each server process that may be open at the same time. The response to "
            "a further one is 503.",
        ),
    ] = 2000
    streams_per_user: Annotated[
        int,
        Meta(
            ge=1,
            description="Event streams of one user in all processes of one `serve` command together. The "
            "response to a further one is 429.",
        ),
    ] = 20
