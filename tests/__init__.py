import gc

import issue_tracker  # noqa: F401 - disables garbage collection, as at a start

gc.enable()
