"""docs/events.md is correct: its examples and its receiver work."""

import re
import threading
from collections.abc import Callable
from http.server import HTTPServer
from typing import Any

from issue_tracker.events.delivery import Deliverer
from issue_tracker.settings import Settings
from tests.clients import post
from tests.engines import decided_in_python
from tests.examples import DOCS, Reader, read_examples
from tests.postgresql import free_port
from tests.world import World

pytestmark = decided_in_python

PAGE = DOCS / "events.md"


def test_the_examples_work(world: World) -> None:
    world.given_issue("Network degradation", {"Contoso": "investigating"})
    client = world.client("ada")
    body = {"issue_name": "Network degradation", "company_name": "Contoso", "status": "resolved"}
    client.call("PUT", "/api/issues/status", 200, json=body | {"note": "Carrier confirms the repair"})
    reader = Reader(client)
    for example in read_examples(PAGE):
        if example.target == "/api/events/stream":
            with client.stream(example.method, example.target) as response:
                assert response.status_code == example.status
                assert response.headers.items() >= {k.lower(): v for k, v in example.headers.items()}.items()
        else:
            reader.run(example)


def test_the_receiver_verifies_and_deduplicates(world: World) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    page: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), page)
    make: Callable[..., HTTPServer] = page["receiver"]
    port, handled = free_port(), list[tuple[str, Any]]()
    ada = world.client("ada")
    created = ada.call("POST", "/api/webhooks", 201, json={"url": f"http://127.0.0.1:{port}/"})
    receiver = make(created["secret"], port, lambda type_, data: handled.append((type_, data)))
    threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        world.client("tess").call("POST", "/api/issues", 201, json={"name": "VPN"})
        worker = Deliverer(world.database, Settings(webhook_allowed_networks="127.0.0.0/8"))
        assert worker.deliver_due() == 1
        (delivered,) = ada.call("GET", f"/api/webhooks/{created['id']}/deliveries", 200)["items"]
        ada.call("POST", f"/api/webhooks/deliveries/{delivered['id']}/redeliver", 202)
        assert worker.deliver_due() == 1
        assert [type_ for type_, _ in handled] == ["issue.created"]
        data = handled[0][1]
        event = ada.call("GET", "/api/events?type=issue.created", 200)["items"][0]
        # A message adds the companies and the address of the issue's page to the event.
        assert data == {**event, "assignments": [], "url": data["url"]} and data["url"].endswith(
            f"/{event['issue_id']}"
        )
        forged = post(f"http://127.0.0.1:{port}/", content=b"{}", headers={"webhook-id": "1"})
        assert forged.status_code == 401
    finally:
        receiver.shutdown()
        receiver.server_close()
