"""A receiver of webhooks on loopback, whose behaviour a test chooses."""

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Response = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, body: bytes = b"", **headers: str) -> Response:
    """Responds with this status code."""

    def response(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return response


def slow(seconds: float) -> Response:
    """Responds with 200 after a delay."""

    def response(request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        status(200)(request)

    return response


def held(until: threading.Event) -> Response:
    """Responds with 200 once the event is set."""

    def response(request: BaseHTTPRequestHandler) -> None:
        until.wait(60)
        status(200)(request)

    return response


def dripping(seconds: float) -> Response:
    """Sends a header line from time to time, and never ends."""

    def response(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            request.wfile.write(b"X-Drop: 1\r\n")
            request.wfile.flush()
            time.sleep(0.05)

    return response


def endless(body: bytes) -> Response:
    """Responds with 200 and the beginning of a body that never ends."""

    def response(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + body)
        request.rfile.read(1)  # until the client closes the connection

    return response


def truncated(request: BaseHTTPRequestHandler) -> None:
    """Responds with 200, and closes before the end of the body."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
    request.close_connection = True


def silent(request: BaseHTTPRequestHandler) -> None:
    """Closes without a response."""
    request.close_connection = True


class Received:
    """One message as received."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Stores the messages that it receives; `response` produces the responses. `host` is on loopback."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.messages: list[Received] = []
        self.response: Response = status(204)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.messages.append(Received(self.path, headers, body))
                try:
                    receiver.response(self)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Logs nothing."""

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self._server = Listener((host, 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
