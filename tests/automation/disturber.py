"""A process that creates, renames and deletes issues until it is told to stop; then it says how many changes it made.

Run as `python -m tests.automation.disturber URL TOKEN SEED STOP_FILE`. It touches no issue whose name begins with
`Still`.
"""

import random
import sys
from pathlib import Path

from issue_tracker_client import Tracker, TrackerError


def disturb(tracker: Tracker, seed: int, stop: Path) -> int:
    """Changes of one process, spread over the whole alphabet of names, so that they fall before and behind any page."""
    draw, changes = random.Random(seed), 0
    while not stop.exists():
        number = draw.randrange(2500)
        moving, elsewhere = f"Still {number:04}, moved", f"{draw.choice('ABSTZ')} {seed} {draw.random()}"
        try:
            match draw.randrange(3):
                case 0:
                    tracker.create_issue(elsewhere, companies=["Contoso"])
                case 1:
                    tracker.update_issue(f"Moving {number:04}", new_name=moving if draw.random() < 0.5 else elsewhere)
                case _:
                    tracker.delete_issue(f"Moving {number:04}")
            changes += 1
        except TrackerError:
            continue  # another one was there first
    return changes


if __name__ == "__main__":
    url, token, seed, stop = sys.argv[1:]
    with Tracker(url, token=token) as tracker:
        print(disturb(tracker, int(seed), Path(stop)))
