"""Server-Sent Events as in the HTML standard, received in pieces of any size."""

from hypothesis import given
from hypothesis import strategies as st

from issue_tracker_client.sse import Message, Parser

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=20)
ends = st.sampled_from(["\n", "\r\n", "\r"])


def parsed(*chunks: bytes) -> list[Message]:
    parser = Parser()
    return [message for chunk in chunks for message in parser.feed(chunk)]


@given(st.lists(st.tuples(st.integers(1, 10**9), text.filter(bool), text), min_size=1), ends, st.data())
def test_any_messages_in_any_pieces_are_parsed(
    blocks: list[tuple[int, str, str]], end: str, data: st.DataObject
) -> None:
    written = [(f"id: {id}", ": beat", f"event: {event}", f"data: {body}", "") for id, event, body in blocks]
    lines = [line for block in written for line in block]
    raw = "".join(line + end for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    chunks = [raw[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert parsed(*chunks) == [Message(body, event, str(id)) for id, event, body in blocks]


def test_the_examples_of_the_standard_are_parsed() -> None:
    assert parsed(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [Message("YHOO\n+2\n10")]
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n"
    assert parsed(stream) == [Message("first event", id="1"), Message("second event", id="")]
    assert parsed(b"data\n\ndata\ndata\n\ndata:") == [Message(""), Message("\n")]
    assert parsed(b"data:test\n\ndata: test\n\n") == [Message("test"), Message("test")]


def test_fields_without_a_message_are_ignored() -> None:
    assert parsed(b"\xef\xbb\xbfid: 3\nretry: 10\nname: x\nevent: lost\n\n:\n\n") == []
    assert parsed(b"id: 3\nid: 4\x005\ndata: x\n\n") == [Message("x", id="3")]
