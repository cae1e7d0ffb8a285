"""A network that fails on request: a proxy on loopback between a client and a real server."""

import socket
import threading
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Trouble(Enum):
    """The effect on one request: the request is lost, or it is performed and its response is lost, or nothing."""

    REQUEST_LOST = "request lost"
    RESPONSE_LOST = "response lost"
    SILENCE = "silence"


def response(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A response of the proxy itself, instead of the server's."""
    lines = [f"HTTP/1.1 {status} Trouble", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class TroubledNetwork:
    """Forwards requests to `server`, one per connection, except for the failures that it is given, in order.

    `requests` are the request lines of all requests, `keys` their Idempotency-Keys.
    """

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._server = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.ahead: list[Trouble | bytes] = []
        self.requests: list[str] = []
        self.keys: list[str | None] = []
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Breaks all connections."""
        for connection in list(self._open):
            with suppress(OSError):  # the other side has already closed it
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self._open.add(connection)
            try:
                self._pass_on(connection)
            except OSError:
                return  # one side closed the connection
            finally:
                self._open.discard(connection)

    def _pass_on(self, connection: socket.socket) -> None:
        raw = connection.makefile("rb")
        lines = []
        while (line := raw.readline()) not in (b"\r\n", b""):
            lines.append(line.rstrip(b"\r\n"))
        if not lines:
            return
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(b":") for one in lines[1:])}
        body = raw.read(int(headers.get(b"content-length", b"0")))
        self.requests.append(lines[0].decode())
        key = headers.get(b"idempotency-key")
        self.keys.append(None if key is None else key.decode())
        trouble = self.ahead.pop(0) if self.ahead else None
        if isinstance(trouble, bytes):
            connection.sendall(trouble)
        elif trouble is Trouble.SILENCE:
            connection.recv(1)  # until the client times out
        elif trouble is not Trouble.REQUEST_LOST:
            headers_sent = [one for one in lines if not one.lower().startswith(b"connection:")]
            with socket.create_connection(self._server) as server:
                server.sendall(b"\r\n".join([*headers_sent, b"connection: close", b"", b""]) + body)
                while chunk := server.recv(65536):
                    if trouble is not Trouble.RESPONSE_LOST:
                        connection.sendall(chunk)
