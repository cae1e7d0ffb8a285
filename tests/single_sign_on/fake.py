"""A provider that misbehaves as a test requires: it signs any claims, and sends any response."""

import base64
import hashlib
import json
import ssl
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from issue_tracker.clock import now
from tests.single_sign_on.provider import SECRET, parameters


@cache
def our_key() -> RSAKey:
    """The key of the provider, made when it is first needed: every test process imports this module."""
    return RSAKey.generate_key(2048, {"kid": "ours", "use": "sig"})


@cache
def other_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "another", "use": "sig"})


@cache
def short_key() -> RSAKey:
    return RSAKey.generate_key(1024, {"kid": "short", "use": "sig"})


REFRESH_TOKEN = "a refresh token of the provider"

LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class FakeProvider:
    """One provider on a free port. Its attributes define its responses; `reset` restores correct behaviour."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.issuer = f"http{'' if tls is None else 's'}://127.0.0.1:{self._server.server_address[1]}"
        self.reset()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def reset(self) -> None:
        self.metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/user",
            "end_session_endpoint": f"{self.issuer}/end",
        }
        self.keys: list[RSAKey | ECKey] = [our_key(), short_key()]
        self.unusable_keys: list[Any] = []
        """Further entries of the key set, before the keys."""
        self.user: dict[str, Any] = {}
        self.subject: Any = "someone"
        self.status = 200
        self.redirect = False
        self.padding = 0
        self.refresh_error: str | None = None
        self.refreshed: dict[str, Any] | None = None
        """Claims of the ID token that a refresh yields, besides those that it needs; None for no ID token."""
        self.token_answer: tuple[int, Any] | None = None
        """What the token endpoint sends, whatever the request is; None for what the request needs."""
        self.grants: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []

    def claims(self, address: str, **changes: Any) -> dict[str, Any]:
        """Returns valid claims of an ID token for an authorization address, with the given changes; None removes a
        claim.
        """
        at = int(now().timestamp())
        right = {
            "iss": self.issuer,
            "sub": "someone",
            "aud": "issue-tracker",
            "iat": at,
            "exp": at + 300,
            "auth_time": at,
            "nonce": parameters(address)["nonce"],
            "email": "tess@helpdesk.example",
            "email_verified": True,
            "organization": {"id": ["helpdesk", "reseller"]},
            "name": "Tess of the provider",
        }
        return {name: value for name, value in (right | changes).items() if value is not None}

    def _refreshed_claims(self) -> dict[str, Any]:
        at = int(now().timestamp())
        right = {"iss": self.issuer, "sub": self.subject, "aud": "issue-tracker", "iat": at, "exp": at + 300}
        return right | (self.refreshed or {})

    def grant(self, address: str, id_token: str | None = None, /, **changes: Any) -> str:
        """Returns a code for an authorization address, which yields this ID token, or one with valid claims and
        changes.
        """
        query = parameters(address)
        self.subject = changes.get("sub", "someone")
        code = f"code-{len(self.grants)}"
        self.grants[code] = {
            "id_token": sign(self.claims(address, **changes)) if id_token is None else id_token,
            "challenge": query["code_challenge"],
            "redirect_uri": query["redirect_uri"],
        }
        return code

    def answer(self, path: str, body: str, authorization: str) -> tuple[int, Any]:
        self.requests.append(path)
        if self.status != 200:
            return self.status, {"error": "the provider is broken"}
        if path == "/.well-known/openid-configuration":
            return 200, self.metadata | ({"padding": "x" * self.padding} if self.padding else {})
        if path == "/keys":
            return 200, {"keys": [*self.unusable_keys, *(key.as_dict(private=False) for key in self.keys)]}
        if path == "/user":
            return 200, {"sub": self.subject} | self.user
        return self._token({name: values[0] for name, values in parse_qs(body).items()}, authorization)

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        if self.token_answer is not None:
            return self.token_answer
        secret = base64.b64encode(f"issue-tracker:{SECRET}".encode()).decode()
        if authorization != f"Basic {secret}":
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "refresh_token":
            if self.refresh_error:
                return 400, {"error": self.refresh_error}
            answer = {"access_token": "a", "token_type": "Bearer", "refresh_token": form["refresh_token"]}
            return 200, answer if self.refreshed is None else answer | {"id_token": sign(self._refreshed_claims())}
        grant = self.grants.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if not grant or grant["challenge"] != challenge or grant["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "a",
            "token_type": "Bearer",
            "id_token": grant["id_token"],
            "refresh_token": REFRESH_TOKEN,
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def sign(claims: dict[str, Any], key: RSAKey | ECKey | None = None, alg: str = "RS256", **header: Any) -> str:
    """Returns a token signed with the key; by default with that of the provider."""
    key = our_key() if key is None else key
    registry = JWSRegistry(algorithms=[alg], strict_check_header=False)
    kid = {} if alg == "none" else {"kid": key.kid}
    return jwt.encode({"alg": alg, **kid, **header}, claims, key, registry=registry)


def unsigned(claims: dict[str, Any]) -> str:
    """Returns a token that claims to need no signature."""
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def _handler(provider: FakeProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status, content = provider.answer(self.path, body, self.headers.get("Authorization") or "")
            if provider.redirect:
                self.send_response(302)
                self.send_header("Location", f"{provider.issuer}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _respond

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
