"""The status page of a supplier, on loopback, and feeds of it in each format."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from issue_tracker.alerts.feeds.polling import FeedPolls
from issue_tracker.alerts.polling.poller import Polling
from issue_tracker.server.metrics import AlertMetrics
from tests.world import World

GROUP = "Contoso Fibre customers"


class Supplier:
    """Serves `content` with its validator, and counts complete and conditional responses in `codes`."""

    def __init__(self) -> None:
        self.content = b""
        self.code = 200
        self.headers: dict[str, str] = {}
        self.codes: list[int] = []
        self.since: list[str | None] = []
        """The If-Modified-Since of each request."""
        self.meanwhile: Callable[[], object] = lambda: None
        """What happens between a request and its response."""
        supplier = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                supplier.since.append(self.headers["If-Modified-Since"])
                supplier.meanwhile()
                content, validator = supplier.content, f'"{hash(supplier.content)}"'
                same = supplier.code == 200 and self.headers["If-None-Match"] == validator
                supplier.codes.append(304 if same else supplier.code)
                self.send_response(supplier.codes[-1])
                for name, value in {"ETag": validator, **supplier.headers}.items():
                    self.send_header(name, value)
                if not same:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if not same:
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Logs nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/v2/incidents.json"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def show(self, content: bytes | str) -> None:
        """Serves this from now on."""
        self.content = content.encode() if isinstance(content, str) else content

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def supplier_page() -> Iterator[Supplier]:
    """Serves until the block ends."""
    supplier = Supplier()
    try:
        yield supplier
    finally:
        supplier.close()


class Poller:
    """A process that polls; `poll` advances the clock to the next poll of each feed first."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.registry = CollectorRegistry()
        settings = msgspec.structs.replace(world.server.settings, feed_allowed_networks="127.0.0.0/8")
        feeds = FeedPolls(world.database, settings, AlertMetrics(self.registry).taken)
        self.polling = Polling(world.database, feeds, self.registry)

    def poll(self, minutes: float = 5) -> int:
        self.world.clock.advance(minutes=minutes)
        return self.polling.poll_due(self.world.clock.now())

    def counted(self, result: str) -> float:
        labels = {"receiver": "Contoso Fibre", "result": result}
        return self.registry.get_sample_value("issue_tracker_feed_polls_total", labels) or 0


def given_feed(world: World, url: str, companies: tuple[str, ...] = ("Contoso", "Fabrikam"), **more: Any) -> int:
    """Creates a group of companies, and a receiver that polls a feed for it."""
    ada = world.client("ada")
    ada.call("POST", "/api/company-groups", 201, json={"name": GROUP, "company_names": list(companies)})
    feed = {"url": url, "company_group": GROUP.upper(), **more}
    made = ada.call("POST", "/api/alert-receivers", 201, json={"name": "Contoso Fibre", "kind": "feed", "feed": feed})
    assert made["url"] is None and made["mail_address"] is None
    receiver_id: int = made["id"]
    return receiver_id


def health(world: World) -> dict[str, Any]:
    """The feed of the only receiver, as administrators see it."""
    [receiver] = world.client("ada").call("GET", "/api/alert-receivers", 200)["items"]
    feed: dict[str, Any] = receiver["feed"]
    return feed


def incident(identity: str = "1", title: str = "No connections", status: str = "investigating") -> dict[str, Any]:
    return {
        "id": identity,
        "name": title,
        "status": status,
        "impact": "major",
        "shortlink": f"https://stspg.example/{identity}",
        "incident_updates": [{"status": status, "body": f"It is {status}."}, {"body": "Older"}],
        "components": [{"name": "Lines"}],
    }


def statuspage(*incidents: dict[str, Any]) -> str:
    return json.dumps({"page": {"id": "p", "name": "Contoso Fibre"}, "incidents": incidents})


def rss(at: datetime, status: str = "Investigating", title: str = "No connections", age: float = 0) -> str:
    """A feed as Statuspage writes it: the newest update of an incident comes first."""
    changed = at - timedelta(days=age)
    body = f"<p><small>Nov 26, 10:00 UTC</small><br><strong>{status}</strong> - It is so.</p><p>Update - Older</p>"
    body = body.replace("<", "&lt;").replace(">", "&gt;")
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>Status</title><item>'
        f"<title>{title}</title><description>{body}</description><pubDate>{format_datetime(changed)}</pubDate>"
        "<link>https://status.example/1</link><guid>https://status.example/1</guid></item></channel></rss>"
    )


def atom(at: datetime, status: str = "Investigating", title: str = "No connections", age: float = 0) -> str:
    changed = (at - timedelta(days=age)).isoformat()
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Status</title><entry>'
        f"<id>tag:status.example,2005:1</id><title>{title}</title><updated>{changed}</updated>"
        f'<link rel="alternate" href="https://status.example/1"/><content type="html">&lt;strong&gt;{status}'
        "&lt;/strong&gt; - It is so.</content></entry></feed>"
    )
