"""Which certificates of other systems are trusted."""

import ssl
from functools import lru_cache
from pathlib import Path
from threading import Lock


def tls_with(ca_file: str) -> ssl.SSLContext:
    """Returns a context that trusts public certificate authorities and those in a PEM file, the same one at each call
    until the file changes. Raises OSError.
    """
    return _tls_with(ca_file, Path(ca_file).read_bytes())


@lru_cache(maxsize=16)
def _tls_with(ca_file: str, content: bytes) -> ssl.SSLContext:
    """Loads the certificates, which takes tens of milliseconds: too long for each connection. A file with other content
    is loaded again.
    """
    context = _new_context()
    context.load_verify_locations(ca_file)
    return context


def _new_context() -> ssl.SSLContext:
    """Returns a context that accepts TLS 1.2 and later: some builds of Python leave the minimum to the system."""
    import httpcore  # noqa: PLC0415 - most servers send no requests

    context = httpcore.default_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def public_tls() -> ssl.SSLContext:
    """Returns a context that trusts public certificate authorities, the same one at each call."""
    return _tls.context()


class _Tls:
    """The TLS context of all connections.

    The first thread that needs it loads the certificates while the others wait: loading takes much longer if several
    threads do it at the same time.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        with self._guard:
            if self._context is None:
                self._context = _new_context()
            return self._context


_tls = _Tls()
