"""A process that creates, renames and deletes issues until the stop file exists, and prints how many of each it made.

Run as `python -m tests.automation.disturber URL TOKEN SEED STOP_FILE`. It touches no issue whose name begins with
`Still`.
"""

import json
import random
import sys
from collections import Counter
from pathlib import Path

from issue_tracker_client import BadRequest, NotFound, Tracker


def disturb(tracker: Tracker, seed: int, stop: Path) -> Counter[str]:
    """Makes changes and returns their number by kind. They are spread over the whole alphabet of names, so that they
    fall before and after any page. Raises the errors of the server other than 400 and 404.
    """
    draw, made = random.Random(seed), Counter[str]()
    while not stop.exists():
        number = draw.randrange(300)
        moving, elsewhere = f"Still {number:04}, moved", f"{draw.choice('ABSTZ')} {seed} {draw.random()}"
        kind = draw.choice(("created", "renamed", "deleted"))
        try:
            match kind:
                case "created":
                    tracker.create_issue(elsewhere, companies=["Contoso"])
                case "renamed":
                    tracker.update_issue(f"Moving {number:04}", new_name=moving if draw.random() < 0.5 else elsewhere)
                case _:
                    tracker.delete_issue(f"Moving {number:04}")
            made[kind] += 1
        except (BadRequest, NotFound):
            continue  # another process has already done so
    return made


if __name__ == "__main__":
    url, token, seed, stop = sys.argv[1:]
    with Tracker(url, token=token) as tracker:
        print(json.dumps(disturb(tracker, int(seed), Path(stop))))
