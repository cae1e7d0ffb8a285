"""How the headers of a message and of its parts are read: only as far as the structure of the message requires.

The default policy of the standard library parses the complete grammar of a header whenever it is read, which takes
minutes for half a megabyte of parameters.
"""

from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import cast

from issue_tracker.alerts.mail.message import LONGEST_HEADER


class _Header(str):
    """The unfolded text of a header, with what the standard library reads from the header Content-Disposition."""

    __slots__ = ()

    @property
    def content_disposition(self) -> str:
        return self.partition(";")[0].strip().lower()


class _Policy(EmailPolicy):
    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:LONGEST_HEADER]

    def header_fetch_parse(self, name: str, value: str) -> _Header:
        return _Header("".join(value.splitlines()).strip())


POLICY = cast("EmailPolicy[EmailMessage]", _Policy())
