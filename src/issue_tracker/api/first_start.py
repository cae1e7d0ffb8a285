"""The first start: creates the first super admin with the one-time link that the server printed."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.api.users import USER_EXAMPLE
from issue_tracker.auth import first_start
from issue_tracker.auth.first_start import SetupRefused
from issue_tracker.auth.passwords import Password, hash_new_password
from issue_tracker.auth.single_sign_on.break_glass import may_use_password
from issue_tracker.auth.user_names import DisplayName, Email
from issue_tracker.auth.users import User
from issue_tracker.errors import Invalid
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response
from issue_tracker.http.routes import Returns, Routes

routes = Routes("Sign-in", access=Access.PUBLIC)


class Setup(msgspec.Struct, forbid_unknown_fields=True):
    """The first super admin, with the token of the link that the server printed."""

    token: Annotated[str, Meta(max_length=200)]
    email: Email
    name: DisplayName
    password: Password


@routes.post(
    "/api/setup",
    access=Access.PUBLIC,
    transaction=False,
    hashes=True,
    returns=Returns(201, User, USER_EXAMPLE | {"role": "super_admin"}),
    example={
        "token": "the token of the printed link",
        "email": "tess@helpdesk.example",
        "name": "Tess Ngo",
        "password": "correct horse battery staple",
    },
)
def set_up(request: Request, body: Setup) -> Response:
    """Create the first super admin. This works once, and only while there is no user."""
    return json_response(create_first_user(request, body), 201)


def create_first_user(request: Request, setup: Setup) -> User:
    """Creates the first user. Hashes outside any transaction, and not at all for a token that was not offered."""
    with request.database.read() as tx:
        if not first_start.setup_allowed(tx, setup.token):
            raise SetupRefused
    if not may_use_password(request.settings, setup.email):
        raise Invalid.field("email", "must be that of a break-glass account: other accounts do not use passwords here")
    fresh = hash_new_password(setup.password, email=setup.email, name=setup.name)
    with request.database.write() as tx:
        return first_start.set_up(tx, setup.token, setup.email, setup.name, fresh, request.request_id)
