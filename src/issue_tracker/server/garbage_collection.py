"""Garbage collection of a process that serves one application."""

import gc

YOUNG_OBJECTS = 10_000
"""How many new objects are examined together. Python's 700 is fewer than a request of a long list creates, so that
objects in use would be examined again and again.
"""


def collect_garbage() -> None:
    """Enables garbage collection, which `serve` disables while it loads the application, and excludes what was loaded:
    examining it takes a tenth of a second or more, during which no request is answered.

    If garbage collection is enabled, as in a process with several applications, nothing changes.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
        gc.enable()
