"""Runs many listeners of one stream in a separate process: `python -m bench.following URL COUNT COOKIE`.

It prints `ready` when all are connected, reads until its standard input ends, and then prints how many events the
slowest and the quickest listener received.
"""

import contextlib
import selectors
import socket
import sys
from urllib.parse import urlsplit

PIECE = 1 << 18


def connect(url: str, cookie: str) -> socket.socket:
    """Opens one stream and returns its connection, after the beginning of the response."""
    address = urlsplit(url)
    assert address.hostname is not None and address.port is not None
    connection = socket.create_connection((address.hostname, address.port), timeout=60)
    head = f"GET /api/events/stream HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {cookie}\r\n\r\n"
    connection.sendall(head.encode())
    received = b""
    while b": connected" not in received:
        piece = connection.recv(4096)
        assert piece, received
        received += piece
    connection.setblocking(False)
    return connection


def main() -> None:
    """Follows the stream with so many listeners until the standard input ends."""
    url, count, cookie = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    readable = selectors.DefaultSelector()
    events: dict[socket.socket, int] = {}
    for _ in range(count):
        connection = connect(url, cookie)
        events[connection] = 0
        readable.register(connection, selectors.EVENT_READ)
    readable.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    following = True
    while following:
        for key, _ in readable.select():
            if key.fileobj is sys.stdin:
                following = False
                continue
            assert isinstance(key.fileobj, socket.socket)
            connection = key.fileobj
            with contextlib.suppress(BlockingIOError):
                piece = connection.recv(PIECE)
                assert piece, "the server ended a stream"
                events[connection] += piece.count(b"\ndata: ")
    print(min(events.values()), max(events.values()), flush=True)


if __name__ == "__main__":
    main()
