"""The supported features of SCIM, and the handling of requests. Imported with its libraries on the first request."""

import re
from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ETag,
    Filter,
    Patch,
    PatchOp,
    PatchOperation,
    Resource,
    ResourceType,
    ResponseParameters,
    SCIMException,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
)
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.service import ScimService

from issue_tracker.api.scim.resources import Group, User
from issue_tracker.api.scim.routes import BASE, ScimFailure
from issue_tracker.api.scim.storage import Storage
from issue_tracker.http.request import Request
from issue_tracker.names import key

MOST_RESULTS = 200
"""Maximum number of resources on one page of a list."""


CONFIG = ServiceProviderConfig(
    documentation_uri=None,
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=Filter(supported=True, max_results=MOST_RESULTS),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=False),
    etag=ETag(supported=True),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="SCIM token",
            description="A token that a super admin has made on the page SCIM of the administration.",
        )
    ],
)


def compared(attribute: Any, value: str) -> str:
    """Returns the form in which texts are compared: exact, or regardless of case like all names in this product."""
    exact = attribute.case_exact in (True, CaseExact.true)
    return normalize("NFC", value) if exact else key(value)


class Service(ScimService):
    """The protocol, with the choices that providers expect where the standard leaves them open."""

    def read_patch(self, resource_type: ResourceType, body: bytes, content_type: str | None) -> "PatchOp[Any]":
        """Returns the changes. What is to be removed is identified by its `value` alone, such as a member by its id:
        Entra ID adds `"$ref": null`, and others add the name of the user. No member would be equal to these.
        """
        patch = super().read_patch(resource_type, body, content_type)
        for operation in patch.operations or ():
            if operation.op == PatchOperation.Op.remove:
                listed = operation.value if isinstance(operation.value, list) else [operation.value]
                operation.value = operation.value and [_identified(entry) for entry in listed]
        return patch

    def patch_response(
        self, base_url: str, resource: Resource[Any], response_parameters: ResponseParameters[Any]
    ) -> ScimResponse:
        """Returns a changed user in the response, as Okta requires, but not a group, which may have many members."""
        if isinstance(resource, User):
            return self.replacement_response(base_url, resource, response_parameters)
        return super().patch_response(base_url, resource, response_parameters)


def _identified(entry: Any) -> Any:
    """Returns an entry of a list without everything but its `value`, if it has one."""
    if not isinstance(entry, dict):
        return entry
    return {name: value for name, value in entry.items() if name.lower() == "value"} or entry


SERVICE = Service(
    ScimProvider(
        models=[User, Group],
        config=CONFIG,
        # The requests of Entra ID differ from the standard in these three ways.
        policy=ScimPolicy(
            unknown=ScimPolicy.Unknown.ignore,
            remove_value_as_filter=ScimPolicy.RemoveValue.apply,
            unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
            comparison_key=compared,
        ),
    )
)


_selected = re.compile(
    r'\b(\w++)\[([^\[\]]*+)\]\.(\w++)\s++(eq|ne|co|sw|ew|gt|ge|lt|le)\s++("(?:[^"\\]|\\.)*+")', re.IGNORECASE
)
"""A comparison with a selected value, `emails[type eq "work"].value eq "…"`: Entra ID uses this syntax, which is not
part of the standard.
"""


def answer(request: Request, path: str, headers: Mapping[str, str]) -> ScimResponse:
    """Handles a request for a path below `/scim/v2`, in the open transaction of the request.

    Raises ScimFailure, and AppError as the operations on accounts and groups do.
    """
    sent = ScimRequest(
        method=request.method if request.method != "HEAD" else "GET",
        base_url=f"{request.settings.public_url.rstrip('/')}{BASE}",
        path=path,
        query=_query(request),
        headers=headers,
        body=request.content or b"",
    )
    try:
        return ScimHandler(SERVICE, Storage(request)).handle(sent)
    except SCIMException as refused:
        error = SERVICE.error_of(refused)
        raise ScimFailure(error.status or 500, error.detail or "", error.scim_type) from refused


def _query(request: Request) -> dict[str, str]:
    """Returns the parameters, with the filter in the syntax of the standard.

    Raises ScimFailure for a repeated parameter, which programs between client and server could read differently.
    """
    query = dict(request.parameters)
    if len(query) < len(request.parameters):
        raise ScimFailure(400, "A parameter is given more than once.", "invalidValue")
    if "filter" in query:
        query["filter"] = _selected.sub(r"\1[(\2) and \3 \4 \5]", query["filter"])
    return query
