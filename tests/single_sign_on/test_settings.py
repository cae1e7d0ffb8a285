"""The file of providers, and sign-in without passwords."""

import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest

from issue_tracker import settings as settings_module
from issue_tracker.actor import command_line
from issue_tracker.auth.invitations import invite
from issue_tracker.auth.single_sign_on.client import ProviderClient
from issue_tracker.auth.single_sign_on.errors import ProviderFailed
from issue_tracker.settings import Settings, SettingsError
from issue_tracker.settings.providers import Provider, parse_providers
from tests.alerts.mailboxes.server import write_certificate
from tests.clients import Client
from tests.processes import run
from tests.server import Server, serving
from tests.shared import Shared
from tests.single_sign_on.browser import begin
from tests.single_sign_on.fake import FakeProvider
from tests.world import PASSWORD, World

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

RIGHT = """
[[provider]]
id = "a"
name = "A"
issuer = "https://a.example"
client_id = "c"
client_secret_file = "/nowhere/secret"
"""


def refusal(text: str, **more: str) -> str:
    with pytest.raises(SettingsError) as refused:
        settings_module.load({"ISSUE_TRACKER_IDENTITY_PROVIDERS": text, **more})
    return str(refused.value)


def test_every_invalid_field_of_the_file_is_reported(engine: str, tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(RIGHT)
    loaded = settings_module.load({"ISSUE_TRACKER_IDENTITY_PROVIDERS_FILE": str(file)})
    assert [(provider.id, provider.link_by_email) for provider in loaded.providers] == [("a", False)]
    said = refusal(
        RIGHT.replace('"a"', '"A b"')
        + RIGHT.replace("https", "http").replace("client_id", "clientid")
        + 'scopes = ["email"]\ncheck_minutes = 0\nlink_by_email = "yes"\n'
        + 'authorization_parameters = { state = "x" }\n'
        + 'algorithms = ["HS256"]\nshortest_rsa_key = 1024\n'
    )
    for part in ("provider 1, id", "provider 2, clientid: there is no", "client_id: is missing", "issuer: must be an"):
        assert part in said, said
    for part in ("algorithms", "shortest_rsa_key"):
        assert f"provider 2, {part}: " in said, said
    for part in ("scopes: must", "check_minutes", "link_by_email", "authorization_parameters: must not contain state"):
        assert part in said, said
    assert "used twice" in refusal(RIGHT + RIGHT)
    assert "not TOML" in refusal("[[provider") and "[[provider]]" in refusal("x = 1")
    for issuer in ("http://a.example", "https://a.example?x=1", "https://u@a.example", "ftp://a.example", "a.example"):
        assert "issuer" in refusal(RIGHT.replace("https://a.example", issuer)), issuer
    assert "needs an identity provider" in refusal("", ISSUE_TRACKER_PASSWORD_SIGN_IN="false")


def test_an_unreadable_secret_prevents_the_start(engine: str, migrated_url: str) -> None:
    done = run("serve", database_url=migrated_url, IDENTITY_PROVIDERS=RIGHT)
    assert done.returncode == 1 and "client_secret_file of the identity provider “a” cannot be read" in done.stderr


@pytest.fixture
def server(engine: str, shared: Shared, providers_file: str) -> Iterator[Server]:
    """The product without password sign-in, except for Ada."""
    settings = Settings(
        database_url=shared.migrated(engine),
        log_level="error",
        deliver_webhooks=False,
        identity_providers=providers_file,
        password_sign_in=False,
        break_glass_accounts="Ada@helpdesk.example, root@helpdesk.example",
    )
    with serving(settings) as server:
        yield server


def login(client: Client, who: str, password: str = PASSWORD) -> int:
    credentials = {"email": f"{who}@helpdesk.example", "password": password}
    return client.post("/api/auth/login", json=credentials).status_code


def test_only_break_glass_accounts_can_use_passwords(world: World) -> None:
    assert login(world.anonymous(), "ada") == 200
    right = world.anonymous().post("/api/auth/login", json={"email": "tess@helpdesk.example", "password": PASSWORD})
    wrong = world.anonymous().post("/api/auth/login", json={"email": "tess@helpdesk.example", "password": "wrong"})
    assert (right.status_code, right.json()) == (401, wrong.json()) and "identity provider" in right.text
    assert "Sign in with a password" in world.anonymous().get("/login").text

    # No other use of a password works either: a confirmation, an invitation, or a new password.
    tess, ada = world.client("tess"), world.client("ada")
    tess.call("POST", "/api/auth/confirm", 400, json={"password": PASSWORD})
    changed = {"current_password": PASSWORD, "new_password": "staple battery horse"}
    tess.call("POST", "/api/auth/password", 400, json=changed)
    world.clock.advance(minutes=10)
    for client, offered in ((tess, False), (ada, True)):
        form = {"_csrf": client.headers["X-CSRF-Token"], "name": "nightly", "scope": "read", "days": "30"}
        page = client.post("/account/tokens", data=form)
        assert page.status_code == 403 and ("Enter your password" in page.text) is offered
        assert "Sign in again with" not in page.text, "neither has an account at a provider"
    ada = world.client("ada")
    nina = {"email": "nina@helpdesk.example", "name": "Nina Vogt", "role": "technician"}
    made = ada.call("POST", "/api/users", 201, json=nina)
    assert made["invitation_url"] is None
    ada.call("POST", f"/api/users/{made['user_id']}/invitation", 400)
    with world.database.write() as tx:  # as if invited before passwords were disabled
        token = invite(tx, command_line("tests"), made["user_id"]).token
    form = {"token": token, "password": "staple battery horse"}
    assert world.anonymous().get("/invitation", params={"token": token}).status_code == 403
    assert world.anonymous().post("/invitation", data=form).status_code == 403
    assert ada.call("POST", "/api/users", 201, json={**nina, "email": "root@helpdesk.example"})["invitation_url"]
    ada.call("PUT", f"/api/users/{made['user_id']}", 200, json={"password": "staple battery horse"})
    assert login(world.anonymous(), "nina", "staple battery horse") == 401
    assert begin(world.anonymous(), "fake").startswith("http://127.0.0.1")


def test_the_document_lists_every_field_and_its_examples_are_valid(engine: str) -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "sign-in.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert described == list(Provider.__struct_fields__)
    examples = re.findall(r"^ *```toml\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    assert [parse_providers(dedent(example))[0].id for example in examples] == [
        "keycloak",
        "entra",
        "google",
        "keycloak",
        "authentik",
    ]


def test_a_replaced_file_of_certificate_authorities_is_read_again(engine: str, tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    certificate, key = write_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    authorities = write_certificate(other)[0]
    with closing(FakeProvider(tls)) as fake:
        [provider] = parse_providers(
            RIGHT.replace("https://a.example", fake.issuer) + f'ca_file = "{authorities.as_posix()}"\n'
        )
        client = ProviderClient(provider, "http://127.0.0.1:8000/login/with/a/callback")
        with pytest.raises(ProviderFailed) as refused:
            client.metadata()
        assert "CERTIFICATE_VERIFY_FAILED" in refused.value.reason
        authorities.write_bytes(certificate.read_bytes())
        assert client.metadata().issuer == fake.issuer
