"""The client of scim2-tester, whose packages take a second of every test process to import."""

from typing import Any

import httpx
from scim2_client import BaseSyncSCIMClient


class Checked(BaseSyncSCIMClient):
    """The client of the validator, based on the HTTP client of the tests."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__()
        self.client = client

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self.client.request(method, f"/scim/v2/{url.lstrip('/')}", **options)

    def _parse_json(self, response: Any) -> Any:
        return response.json()

    def _stays_under_base_url(self, endpoint: str) -> bool:
        return True
