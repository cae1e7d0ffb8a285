"""The browsers in which the user has signed in, to list and to forget (contract, section 11)."""

import msgspec
from starlette.responses import Response

from issue_tracker.auth import places
from issue_tracker.auth.browsers import forget_browser
from issue_tracker.auth.places import Device
from issue_tracker.http.cookies import DEVICE, cookie_name
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import list_response, no_content
from issue_tracker.http.routes import Returns, Routes

routes = Routes("Sign-in", access=Access.SIGNED_IN, proof=Proof.SESSION)


class DeviceList(msgspec.Struct):
    """The browsers of a user."""

    items: list[Device]
    total: int


DEVICES_EXAMPLE = {
    "items": [
        {
            "id": "5f0c1d9a3b7e2468",
            "user_agent": "Mozilla/5.0",
            "used_at": "2025-01-09T08:45:00+00:00",
            "current": True,
        }
    ],
    "total": 1,
}


def devices_of(request: Request, user_id: int) -> list[Device]:
    """Returns the browsers of a user; the one that sent this request is marked."""
    return places.list_devices(request.tx, user_id, request.cookie(cookie_name(request.settings, DEVICE)))


@routes.get("/api/auth/devices", returns=Returns(200, DeviceList, DEVICES_EXAMPLE))
def list_devices(request: Request) -> Response:
    """List the browsers in which you have signed in, the last used first.

    Failed sign-ins elsewhere do not delay sign-ins in these browsers.
    """
    return list_response(devices_of(request, request.user_id))


@routes.delete("/api/auth/devices/{id}", returns=Returns(204))
def forget_device(request: Request, id: str) -> Response:
    """Forget one of your own browsers. Its sessions continue."""
    forget_browser(request.tx, request.actor, request.user_id, id)
    return no_content()
