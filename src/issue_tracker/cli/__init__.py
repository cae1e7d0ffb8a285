"""The command line `issue-tracker`: parses the arguments, then calls the same operations as the API.

Exit codes: 0 success, 1 refused (one sentence on stderr gives the reason), 2 wrong usage.
"""

import click

from issue_tracker.cli.companies import company
from issue_tracker.cli.company_groups import company_group
from issue_tracker.cli.failures import Commands
from issue_tracker.cli.issues import issue
from issue_tracker.cli.maintenance import backup, demo, events, migrate, openapi, reencrypt
from issue_tracker.cli.moving import copy, dump, restore
from issue_tracker.cli.servers import mail, serve, worker
from issue_tracker.cli.users import token, user
from issue_tracker.logs import silence_logs


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="issue-tracker")
def main() -> None:
    """Shared-issue tracker for a managed-service helpdesk.

    Start with `issue-tracker serve`: it stores its data in data/issue-tracker.db and prints what to do first.
    Every setting can also come from the environment; docs/settings.md lists them.
    """
    silence_logs()


for command in (
    serve,
    worker,
    mail,
    migrate,
    user,
    token,
    company,
    company_group,
    issue,
    events,
    backup,
    copy,
    dump,
    restore,
    reencrypt,
    demo,
    openapi,
):
    main.add_command(command)
