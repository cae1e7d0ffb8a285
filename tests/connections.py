"""The connections of the tests' HTTP clients: those of `http.client`.

The suite sends about a hundred thousand requests. With httpcore, which parses in Python, each of them took twice the
processor time.
"""

import http.client
import select
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

IDLE_SECONDS = 2.0
"""Idle connections are closed before the servers close them, which do so after five seconds: a request that is sent at
that moment gets no response.
"""

Address = tuple[str, int]
Pair = tuple[str | bytes, str | bytes]


class Connections(httpx.BaseTransport):
    """The connections of one or many clients, to servers with plain HTTP, separate for each thread. Clients leave them
    open when they are closed: `end` closes them.
    """

    def __init__(self) -> None:
        self._own = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request of httpx. Its response can be read in pieces while the server sends it."""
        with _errors_of_httpx():
            address = request.url.host, request.url.port or 80
            target = request.url.raw_path.decode("ascii")
            seconds = request.extensions["timeout"]["read"]
            assert isinstance(request.stream, httpx.SyncByteStream)
            body = request.stream if "transfer-encoding" in request.headers else b"".join(request.stream)
            connection = self._send(address, request.method, target, request.headers.raw, body, seconds)
            received = connection.getresponse()
        return httpx.Response(
            received.status,
            headers=_headers(received),
            stream=_Body(self, connection, received),
            extensions={"socket": connection.sock},
        )

    def exchange(
        self, address: Address, method: str, target: str, headers: list[Pair], body: bytes | None, seconds: float | None
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Sends a request and returns the status, the headers and the whole body of its response."""
        with _errors_of_httpx():
            connection = self._send(address, method, target, headers, body, seconds)
            received = connection.getresponse()
            content = received.read()
        self.give_back(connection, received)
        return received.status, _headers(received), content

    def give_back(self, connection: http.client.HTTPConnection, received: http.client.HTTPResponse) -> None:
        """Makes a connection available to the next request of this thread, if the response was read to its end."""
        if received.isclosed() and connection.sock is not None:
            self._idle[connection.host, connection.port].append((connection, time.monotonic()))
        else:
            received.close()
            connection.close()

    def end(self) -> None:
        """Closes the connections of all threads."""
        for connection in self._all:
            connection.close()

    def close(self) -> None:
        """Does nothing, because other clients may use the connections."""

    @property
    def _idle(self) -> dict[Address, list[tuple[http.client.HTTPConnection, float]]]:
        if not hasattr(self._own, "idle"):
            self._own.idle = defaultdict(list)
        found: dict[Address, list[tuple[http.client.HTTPConnection, float]]] = self._own.idle
        return found

    def _send(
        self, address: Address, method: str, target: str, headers: list[Any], body: Any, seconds: float | None
    ) -> http.client.HTTPConnection:
        connection = self._take(address)
        connection.timeout = seconds
        if connection.sock is None:
            connection.connect()
        else:
            connection.sock.settimeout(seconds)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body, encode_chunked=not isinstance(body, bytes | None))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has responded before it received everything
        except BaseException:
            connection.close()
            raise
        return connection

    def _take(self, address: Address) -> http.client.HTTPConnection:
        idle = self._idle[address]
        while idle:
            connection, since = idle.pop()
            # A readable connection has been closed by the server.
            if time.monotonic() - since < IDLE_SECONDS and not select.select([connection.sock], [], [], 0)[0]:
                return connection
            connection.close()
        connection = http.client.HTTPConnection(*address)
        self._all.append(connection)
        return connection


class _Body(httpx.SyncByteStream):
    """The body of a response, as it arrives."""

    def __init__(
        self, connections: Connections, connection: http.client.HTTPConnection, received: http.client.HTTPResponse
    ) -> None:
        self._connections, self._connection, self._received = connections, connection, received

    def __iter__(self) -> Iterator[bytes]:
        with _errors_of_httpx():
            while piece := self._received.read1(65536):
                yield piece
            self._received.read()  # the response is complete only when nothing follows

    def close(self) -> None:
        self._connections.give_back(self._connection, self._received)


def _headers(received: http.client.HTTPResponse) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in received.headers.items()]


@contextmanager
def _errors_of_httpx() -> Iterator[None]:
    """Raises the errors that httpx raises with its own connections."""
    try:
        yield
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error
    except (http.client.HTTPException, ConnectionResetError, BrokenPipeError) as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except ConnectionRefusedError as error:
        raise httpx.ConnectError(str(error)) from error
    except OSError as error:
        raise httpx.ReadError(str(error)) from error
