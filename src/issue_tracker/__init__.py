"""Issue Tracker: one fault, many affected companies, one status each."""

import gc

# A start creates several hundred thousand objects and no garbage, so garbage collection is off until a command begins
# (cli) or a server is ready (app): otherwise it takes a fifth of the processor time of every start.
gc.disable()
