#!/usr/bin/env python3
"""Receives Alertmanager's webhook and keeps the tracker in step: firing is investigating, resolved is
resolved.

The alert's label `company` names the customer as the tracker spells it; alerts without one are left alone.
The issue is named by the label `issue`, or else `alertname`; its description is the annotation `summary`.

    receivers:
      - name: tracker
        webhook_configs:
          - url: http://127.0.0.1:9099/

Alertmanager repeats what was answered with 5xx, so that is the answer while the tracker is out of reach;
what the tracker refuses (an unknown company) is answered with 400 and not repeated. The other alerts of the
same notification are passed on all the same.
"""

import argparse
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from issue_tracker_client import Retries, TooManyAttempts, Tracker, TrackerError, Unavailable, Unreachable

AWAY = (Unreachable, Unavailable, TooManyAttempts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pass Alertmanager's notifications on to the Issue Tracker.")
    parser.add_argument("--port", type=int, default=9099)
    arguments = parser.parse_args()
    token = Path(os.environ["ITCTL_TOKEN_FILE"]).read_text(encoding="utf-8").strip()
    patience = Retries(patience=20)  # Alertmanager waits, and comes back by itself
    with Tracker(os.environ["ITCTL_URL"], token=token, retries=patience) as tracker:
        server = receiver(tracker, arguments.port)
        print(f"Listening on port {server.server_port}.", flush=True)
        server.serve_forever()


def receiver(tracker: Tracker, port: int) -> ThreadingHTTPServer:
    """A server on loopback that passes notifications on."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            code, sentence = answer(tracker, body)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(sentence.encode())

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def answer(tracker: Tracker, body: bytes) -> tuple[int, str]:
    """Act on one notification: the HTTP code for Alertmanager, and a sentence for its log."""
    refusals = []
    try:
        for (issue, company), alert in wanted(json.loads(body)).items():
            try:
                pass_on(tracker, issue, company, alert)
            except AWAY:
                raise
            except TrackerError as refused:
                print(f"alertmanager_webhook: {issue} / {company}: {refused}", file=sys.stderr)
                refusals.append(f"{issue} / {company}: {refused}")
    except AWAY as away:
        return 503, str(away)
    except (ValueError, KeyError, TypeError, AttributeError):
        return 400, "This is not a notification of Alertmanager."
    return (400, "\n".join(refusals)) if refusals else (200, "Done.")


def pass_on(tracker: Tracker, issue: str, company: str, alert: dict[str, Any]) -> None:
    """Give the company the status that the alert asks for; a firing one makes the issue where there is none."""
    annotations = alert.get("annotations", {})
    firing = alert["status"] == "firing"
    if firing:
        tracker.ensure_issue(issue, description=annotations.get("summary"), companies=[company])
    note = annotations.get("description") or annotations.get("summary") or "by Alertmanager"
    tracker.set_status(issue, company, "investigating" if firing else "resolved", note=note[:2000])


def wanted(notification: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """One alert for each issue and company. Of several that differ in other labels, a firing one counts."""
    alerts: dict[tuple[str, str], dict[str, Any]] = {}
    for alert in sorted(notification["alerts"], key=lambda alert: alert["status"] == "firing"):
        labels = alert["labels"]
        if "company" in labels:
            alerts[labels.get("issue") or labels["alertname"], labels["company"]] = alert
    return alerts


if __name__ == "__main__":
    main()
