#!/usr/bin/env python3
"""Receives Alertmanager's webhook and keeps the tracker in sync: firing means investigating, resolved resolved.

The label `company` is the customer's name as spelled in the tracker; alerts without it are ignored. The issue's name
is the label `issue`, or `alertname` without it; its description is the annotation `summary`.

    receivers:
      - name: tracker
        webhook_configs:
          - url: http://127.0.0.1:9099/

Alertmanager repeats a notification after a 5xx response, so it gets one while the tracker is unreachable. If the
tracker refuses an alert (an unknown company), it gets a 400, which it does not repeat; the other alerts of the same
notification are processed nevertheless.
"""

import argparse
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from issue_tracker_client import Retries, TooManyAttempts, Tracker, TrackerError, Unavailable, Unreachable

UNREACHABLE = (Unreachable, Unavailable, TooManyAttempts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Forward Alertmanager's notifications to the Issue Tracker.")
    parser.add_argument("--port", type=int, default=9099)
    arguments = parser.parse_args()
    token = Path(os.environ["ITCTL_TOKEN_FILE"]).read_text(encoding="utf-8").strip()
    patience = Retries(patience=20)  # Alertmanager waits for the response, and repeats the notification itself
    with Tracker(os.environ["ITCTL_URL"], token=token, retries=patience) as tracker:
        server = receiver(tracker, arguments.port)
        print(f"Listening on port {server.server_port}.", flush=True)
        server.serve_forever()


def receiver(tracker: Tracker, port: int) -> ThreadingHTTPServer:
    """Returns a server on loopback that forwards notifications."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            code, sentence = process(tracker, body)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(sentence.encode())

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def process(tracker: Tracker, body: bytes) -> tuple[int, str]:
    """Processes one notification. Returns the HTTP status for Alertmanager, and a sentence for its log."""
    refusals = []
    try:
        for (issue, company), alert in alerts_by_assignment(json.loads(body)).items():
            try:
                forward(tracker, issue, company, alert)
            except UNREACHABLE:
                raise
            except TrackerError as refused:
                print(f"alertmanager_webhook: {issue} / {company}: {refused}", file=sys.stderr)
                refusals.append(f"{issue} / {company}: {refused}")
    except UNREACHABLE as error:
        return 503, str(error)
    except (ValueError, KeyError, TypeError, AttributeError):
        return 400, "This is not a notification of Alertmanager."
    return (400, "\n".join(refusals)) if refusals else (200, "Done.")


def forward(tracker: Tracker, issue: str, company: str, alert: dict[str, Any]) -> None:
    """Sets the company's status according to the alert. A firing one creates the issue if it does not exist."""
    annotations = alert.get("annotations", {})
    firing = alert["status"] == "firing"
    if firing:
        tracker.ensure_issue(issue, description=annotations.get("summary"), companies=[company])
    note = annotations.get("description") or annotations.get("summary") or "by Alertmanager"
    tracker.set_status(issue, company, "investigating" if firing else "resolved", note=note[:2000])


def alerts_by_assignment(notification: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Returns one alert per issue and company. Of several that differ in other labels, a firing one wins."""
    alerts: dict[tuple[str, str], dict[str, Any]] = {}
    for alert in sorted(notification["alerts"], key=lambda alert: alert["status"] == "firing"):
        labels = alert["labels"]
        if "company" in labels:
            alerts[labels.get("issue") or labels["alertname"], labels["company"]] = alert
    return alerts


if __name__ == "__main__":
    main()
