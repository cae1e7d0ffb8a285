"""Requests to other systems over HTTP: `post` to an address that a user chose, and `fetch` from one that the operator
configured or, with `allowed`, that a user chose.

For a user's address, the name is resolved once, each address is checked, and the connection goes to exactly the address
that was checked, so that a second resolution cannot give a different result. Redirects are not followed, proxies in the
environment are not used, and nothing is decompressed. One timeout covers everything, including name resolution; only
the beginning of the response is read.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from threading import Thread
from typing import Any

import httpcore

from issue_tracker.outbound.address import parse_address
from issue_tracker.outbound.outcomes import Outcome, Received, Unreachable
from issue_tracker.outbound.tls import public_tls

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

RESPONSE_LIMIT = 2048
"""Maximum number of bytes of a response that are read and stored."""

FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError, ValueError)
"""Errors that the receiver or its address can cause."""

NAT64 = IPv6Network("64:ff9b::/96")

PROTOCOL_ASSIGNMENTS = IPv4Network("192.0.0.0/24")
"""RFC 6890; older versions of Python classify only parts of it as private."""


class Refused(Exception):
    """Connections to this address are not permitted; the message says why."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, allowed: Iterable[Network], seconds: float) -> Outcome:
    """POSTs the body, within `seconds` seconds. Never raises an error because of the receiver.

    `allowed` lists networks that may be connected to although they are not public.
    """
    started = time.monotonic()
    deadline = started + seconds
    code: int | None = None
    retry_after = None
    received = bytearray()
    error = None
    timed_out = False
    try:
        with _response("POST", url, headers, body, Guard(tuple(allowed), deadline)) as response:
            code = response.status
            found = [value for name, value in response.headers if name.lower() == b"retry-after"]
            retry_after = found[0].decode("latin-1") if found else None
            for chunk in response.iter_stream():
                received += chunk
                if len(received) >= RESPONSE_LIMIT:
                    break
    except Refused as refused:
        error = str(refused)
    except (httpcore.TimeoutException, TimeoutError):
        timed_out = True
        error = f"no response within {seconds:g} seconds"
    except FAILURES as failure:
        # An OSError itself, such as that of `_resolve`, has a sentence; the names of others say what kind they are.
        error = str(failure) if type(failure) is OSError else f"{type(failure).__name__}: {failure}"
    return Outcome(
        milliseconds=round((time.monotonic() - started) * 1000),
        code=code,
        answer=bytes(received[:RESPONSE_LIMIT]).decode("utf-8", "replace").replace("\0", "\ufffd"),
        retry_after=retry_after,
        # Once a status was received, it is the outcome, whatever happens to the rest of the response.
        error=error if code is None else None,
        timed_out=timed_out,
    )


def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    seconds: float,
    most_bytes: int,
    tls: ssl.SSLContext | None = None,
    allowed: Iterable[Network] | None = None,
) -> Received:
    """Returns the response to one request. Redirects are not followed.

    `allowed` lists networks that may be connected to although they are not public; None permits every network, for
    addresses that the operator configured. `tls` says which certificates are accepted; by default, those of public
    certificate authorities. Raises Unreachable if there is no complete response of at most `most_bytes` bytes within
    `seconds` seconds.
    """
    guard = Guard(None if allowed is None else tuple(allowed), time.monotonic() + seconds)
    received = bytearray()
    with unreachable_after(seconds), _response(method, url, headers, body, guard, tls) as response:
        for chunk in response.iter_stream():
            received += chunk
            if len(received) > most_bytes:
                raise Unreachable(f"the response has more than {most_bytes:,} bytes")
        found = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        validators = found.get(b"etag"), found.get(b"last-modified")
        return Received(response.status, bytes(received), *validators)


@contextmanager
def _response(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    guard: "Guard",
    tls: ssl.SSLContext | None = None,
) -> Iterator[httpcore.Response]:
    """Sends a request, and provides the response, whose body is still to be read."""
    target = parse_address(url)
    address = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    # httpcore would write an IPv6 address into the Host header without brackets.
    sent = [("host", target.host_header), *headers.items()]
    with (
        httpcore.ConnectionPool(
            # Without TLS, the certificates need not be loaded.
            ssl_context=(tls or public_tls()) if target.scheme == "https" else None,
            network_backend=guard,
            max_keepalive_connections=0,
        ) as pool,
        pool.stream(method, address, headers=sent, content=body) as response,
    ):
        yield response


@contextmanager
def unreachable_after(seconds: float) -> Iterator[None]:
    """Turns what the other system or its address causes in the block into Unreachable. `seconds` is its time limit."""
    try:
        yield
    except Refused as refused:
        raise Unreachable(str(refused)) from None
    except (httpcore.TimeoutException, TimeoutError):
        raise Unreachable(f"no response within {seconds:g} seconds") from None
    except FAILURES as failure:
        # Without the number that Python puts in front of the reason.
        raise Unreachable(_errno.sub("", str(failure)) or type(failure).__name__) from failure


_errno = re.compile(r"^\[Errno -?\d+\] ")


def public(address: Address) -> bool:
    """Returns whether an address is on the public Internet; for IPv4 embedded in IPv6, the inner address decides."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo:
            inner = address.teredo[1]
        if address in NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return public(inner)
        if address.is_site_local:
            return False
    elif address in PROTOCOL_ASSIGNMENTS:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def permitted(address: Address, allowed: Iterable[Network]) -> bool:
    """Returns whether connections to an address are permitted: to a public one, or one in an allowed network."""
    plain = (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
    return public(address) or any(plain.version == network.version and plain in network for network in allowed)


def resolve(host: str, port: int) -> list[Address]:
    """Returns the addresses of a host name. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


class Guard(httpcore.NetworkBackend):
    """Connects to permitted addresses only, or to any if `allowed` is None, until the deadline."""

    def __init__(self, allowed: tuple[Network, ...] | None, deadline: float) -> None:
        self._allowed = allowed
        self._deadline = deadline
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        found, allowed = self._resolve(host, port), self._allowed
        addresses = [address for address in found if allowed is None or permitted(address, allowed)]
        if not addresses:
            raise Refused(f"{host} is not a public address, and not inside an allowed network")
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in addresses[:4]:
            try:
                stream = self._backend.connect_tcp(str(address), port, timeout=_left(self._deadline))
            except (httpcore.NetworkError, httpcore.TimeoutException) as failed:
                failure = failed
                continue
            return _Limited(stream, self._deadline)
        assert failure is not None
        raise failure

    def _resolve(self, host: str, port: int) -> list[Address]:
        """Resolves in a thread that is abandoned at the deadline, because the system's resolver has no timeout."""
        resolved: Future[list[Address]] = Future()

        def run() -> None:
            try:
                resolved.set_result(resolve(host, port))
            except (OSError, UnicodeError) as error:
                resolved.set_exception(OSError(f"{host} cannot be resolved ({error.args[-1]})"))

        Thread(target=run, name="resolver", daemon=True).start()
        return resolved.result(_left(self._deadline))


class _Limited(httpcore.NetworkStream):
    """A connection on which every wait ends at the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Limited(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left
