"""Encrypted connections for protocols other than HTTP, to a host that a user chose: checked as in `requests`."""

import io
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from issue_tracker.outbound.address import parse_address
from issue_tracker.outbound.outcomes import Unreachable
from issue_tracker.outbound.requests import Guard, Network, unreachable_after
from issue_tracker.outbound.tls import public_tls, tls_with


class Stream:
    """A connection on which all waits together end at one deadline, and which yields a limited number of bytes.

    Every method raises Unreachable if the connection fails, the deadline passes, or there are more bytes.
    """

    def __init__(
        self, host: str, port: int, *, allowed: Iterable[Network], seconds: float, most_bytes: int, ca_file: str = ""
    ) -> None:
        """Connects, without TLS until `start_tls` is called.

        `allowed` lists networks that may be connected to although they are not public. Certificates must be signed by
        a public certificate authority or by one in the PEM file `ca_file`. `seconds` applies to everything,
        `most_bytes` to everything that is received.
        """
        self.deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._ca_file = ca_file
        self._left = most_bytes
        self._buffer = bytearray()
        self._stream: httpcore.NetworkStream | None = None
        target = parse_address(f"https://{f'[{host}]' if ':' in host else host}:{port}")
        self._host = target.host
        guard = Guard(tuple(allowed), self.deadline)
        self._stream = self._run(lambda: guard.connect_tcp(target.host, port))

    def start_tls(self) -> None:
        """Encrypts the connection, and verifies the certificate. What was received before is discarded."""
        self._buffer.clear()
        stream = self._open()
        try:
            context = tls_with(self._ca_file) if self._ca_file else public_tls()
        except (OSError, ssl.SSLError):
            raise Unreachable("the file with certificate authorities cannot be read") from None
        self._stream = self._run(lambda: stream.start_tls(context, self._host))

    def read(self, size: int) -> bytes:
        """Returns this many bytes, fewer only at the end."""
        while len(self._buffer) < size and self._receive():
            pass
        return self._take(size)

    def read_line(self, longest: int) -> bytes:
        """Returns the bytes up to the next line feed, at most `longest`."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0 and len(self._buffer) < longest:
            searched = len(self._buffer)
            if not self._receive():
                break
        return self._take(min(end + 1 or len(self._buffer), longest))

    def write(self, content: bytes) -> None:
        """Sends the bytes."""
        stream = self._open()
        self._run(lambda: stream.write(content))

    def close(self) -> None:
        """Closes the connection. Does nothing if it is closed."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _receive(self) -> bool:
        """Adds what arrives next to the buffer. Returns False at the end."""
        stream = self._open()
        found: bytes = self._run(lambda: stream.read(io.DEFAULT_BUFFER_SIZE))
        self._left -= len(found)
        if self._left < 0:
            raise Unreachable("the server sends more than it was requested to")
        self._buffer += found
        return bool(found)

    def _take(self, size: int) -> bytes:
        with memoryview(self._buffer) as content:
            taken = bytes(content[:size])
        del self._buffer[:size]
        return taken

    def _open(self) -> httpcore.NetworkStream:
        if self._stream is None:
            raise Unreachable("the connection is closed")
        return self._stream

    def _run(self, work: Any) -> Any:
        with unreachable_after(self._seconds):
            return work()
