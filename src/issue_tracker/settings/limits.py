"""Settings that limit what the server does at the same time, and how long anything may wait."""

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
            "overload it is a quarter of that.",
        ),
    ] = 1.0
