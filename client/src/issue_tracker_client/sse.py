"""A parser of Server-Sent Events (HTML standard, "interpreting an event stream") for bytes in pieces of any size."""

import codecs
from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """One dispatched event. `id` is the last id of the stream so far, even if this event has none of its own."""

    data: str
    event: str = "message"
    id: str = ""


class Parser:
    """Turns the bytes of one connection into messages."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._rest = ""
        self._after_cr = False
        self._data: list[str] = []
        self._event = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[Message]:
        """Takes the next bytes. Returns the messages that they complete."""
        text = self._decode(chunk)
        if not text:
            return []
        new = text.removeprefix("\n") if self._after_cr else text  # a CR LF may be split between two pieces
        self._after_cr = text.endswith("\r")
        *lines, self._rest = (self._rest + new).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return [message for line in lines if (message := self._line(line))]

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Message | None:
        data, event = self._data, self._event or "message"
        self._data, self._event = [], ""
        return Message("\n".join(data), event, self._id) if data else None
