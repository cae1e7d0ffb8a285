"""Every command of the command line, with arguments for which it succeeds on a database with a user."""

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from issue_tracker.cli import main
from tests.processes import ADMIN

PASSWORD_LINE = "a password for this test\n"

ARGUMENTS = {
    "serve": "--port 1",
    "worker": "",
    "mail": "--port 1",
    "migrate": "",
    "user add": "new@helpdesk.example --name New --role member --password-stdin",
    "user list": "",
    "user password": f"{ADMIN} --password-stdin",
    "user disable": "leaver@helpdesk.example",
    "user reset-factors": "leaver@helpdesk.example --reason gone",
    "token add": f"{ADMIN} --name nightly --scope read",
    "company add": "Northwind",
    "company list": "",
    "company import": "FOLDER/companies.csv",
    "company export": "",
    "company-group import": "FOLDER/groups.csv",
    "issue import": "FOLDER/issues.csv",
    "issue export": "",
    "events prune": "--older-than 30d",
    "backup": "FOLDER/copy.db",
    "copy": "--to sqlite:///FOLDER/copied.db",
    "dump": "FOLDER/new.dump",
    "restore": "FOLDER/stored.dump",
    "reencrypt": "",
    "demo": "",
    "openapi": "",
}

UNTIL_STOPPED = {"serve", "worker", "mail"}
"""Commands that run until they are stopped."""

WITHOUT_DATABASE = {"openapi"}


def leaves(group: click.Group = main, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Returns the words of every executable command, derived from the command line itself, so that it includes new
    commands.
    """
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*words, name))
        else:
            yield " ".join((*words, name))


@functools.cache
def _dump_of_nothing() -> bytes:
    """Returns the dump of an empty database with the current schema."""
    with tempfile.TemporaryDirectory() as folder:
        url, file = f"sqlite:///{folder}/empty.db", Path(folder, "empty.dump")
        for arguments in (["migrate"], ["dump", str(file)]):
            assert CliRunner().invoke(main, [*arguments, "--database-url", url]).exit_code == 0
        return file.read_bytes()


def command_line(command: str, folder: Path) -> list[str]:
    """Returns the command with its arguments, and creates the files that it reads in the folder."""
    given: dict[str, Callable[[], bytes]] = {
        "companies.csv": lambda: b"name\nContoso\n",
        "groups.csv": lambda: b"company_name,group\n",
        "issues.csv": lambda: b"name,company_name\nFault,\n",
        "stored.dump": _dump_of_nothing,
    }
    for name, content in given.items():
        if name in ARGUMENTS[command]:
            (folder / name).write_bytes(content())
    return [*command.split(), *ARGUMENTS[command].replace("FOLDER", str(folder)).split()]
