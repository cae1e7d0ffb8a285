"""The entry point of the script `issue-tracker`, which loads the command line and runs it.

Loading takes up to a second. An interruption during this time ends the process at once, as it ends programs that do not
handle it; Python would show a traceback of an import. Loading creates several hundred thousand objects and no garbage,
so garbage collection is off meanwhile, and never examines them: the collections at the end of the process would take
as long as many commands.
"""

import gc
import signal


def main() -> None:
    """Runs the command in the arguments of the process. Raises SystemExit with the exit code."""
    # A process in the background of a shell script ignores interruptions, and continues to do so.
    handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handled:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()
    from issue_tracker.cli import main as run  # noqa: PLC0415 - loaded after the handler was replaced

    gc.freeze()
    gc.enable()
    if handled:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
