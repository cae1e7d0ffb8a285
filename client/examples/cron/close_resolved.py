#!/usr/bin/env python3
"""Closes assignments that have been resolved for some days. Run it from cron: it prints only errors.

It is safe to run it twice and at any time: a company whose status changes in the meantime is skipped, because the
bulk change closes only companies that are still resolved.
"""

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from issue_tracker_client import Tracker, TrackerError


def main() -> int:
    parser = argparse.ArgumentParser(description="Close assignments that have been resolved for some days.")
    parser.add_argument("--days", type=float, default=7)
    since = datetime.now(UTC) - timedelta(days=parser.parse_args().days)
    token = Path(os.environ["ITCTL_TOKEN_FILE"]).read_text(encoding="utf-8").strip()
    try:
        with Tracker(os.environ["ITCTL_URL"], token=token) as tracker:
            close_resolved(tracker, since)
    except TrackerError as error:
        print(f"close_resolved: {error}", file=sys.stderr)
        return 1
    return 0


def close_resolved(tracker: Tracker, since: datetime) -> None:
    """Closes every assignment that was resolved before `since`, one issue at a time."""
    for issue in tracker.issues(status="resolved"):
        old = [one.company_name for one in issue.assignments if one.updated_at <= since]
        if old:
            note = "Closed by itself: no complaint since it was resolved"
            tracker.set_status_in_bulk(issue.name, "closed", companies=old, from_statuses=["resolved"], note=note)


if __name__ == "__main__":
    sys.exit(main())
