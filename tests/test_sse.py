"""Server-sent events: one reader for every stream, whatever its line ends, its marks and the way it was cut."""

import json
from itertools import pairwise
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from tuneloop import sse
from tuneloop.gateway.record import Record
from tuneloop.gateway.relay import Renamed
from tuneloop.sse import Event, Lines, Reader, read_events, written

ROOT = Path(sse.__file__).parent
PIECES = (
    b"data: one", b"data:two", b"data", b"data:  x", b": ping", b"event: e", b"id: 7", b"retry: 10", b"odd", b"",
    "data: 你".encode(), b"data: [DONE]", b"\xef\xbb\xbfdata: b", b'data: {"id":"a"}', b"data: {", b"data: }",
    b"data: " + b"y" * 60, b": " + b"z" * 60,
)  # fmt: skip
STREAMS = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from((b"\n", b"\r", b"\r\n", b"")))).map(
    lambda lines: b"".join(text + end for text, end in lines)
)


def fed(data: bytes, cuts: list[int], most: int) -> list[Event]:
    reader, edges = Reader(most), sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [event for a, b in pairwise(edges) for event in reader.feed(data[a:b])] + reader.close()


@given(STREAMS, st.lists(st.integers(0, 2000), max_size=30), st.sampled_from((32, 1000)))
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [8, 9, 10, 11], 1000)
@example(b"data: a\r\rdata: b\r\r", list(range(18)), 1000)
@example(b"data: " + b"y" * 60 + b"\ndata: x\n\ndata: z\n\n", list(range(90)), 32)
def test_a_stream_gives_the_same_events_however_it_is_cut(data: bytes, cuts: list[int], most: int) -> None:
    whole = fed(data, [], most)
    assert fed(data, cuts, most) == whole == fed(data, list(range(len(data))), most)
    assert all(len(event.data) <= most for event in whole)


@given(STREAMS, st.lists(st.integers(0, 2000), max_size=30), st.sampled_from((32, 1000)))
def test_no_byte_is_lost_between_the_lines(data: bytes, cuts: list[int], most: int) -> None:
    lines, edges = Lines(most), sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    came = [line for a, b in pairwise(edges) for line in lines.feed(data[a:b])] + list(lines.close())
    assert b"".join(line.text + line.end for line in came) == data
    renamed = Renamed("ours")  # none of these is a completion: a relay sends all of them on as they came
    assert b"".join(renamed.feed(data[a:b]) for a, b in pairwise(edges)) + renamed.close() == data


@given(st.binary(max_size=80), st.sampled_from(["", "done"]))
def test_what_is_written_is_read(data: bytes, name: str) -> None:
    (event,) = read_events(written(data, name))
    assert (event.data, event.name) == (data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), name)


def test_the_events_of_a_stream() -> None:
    data = (b"\xef\xbb\xbfdata: a\r\n: ping\r\ndata:b\r\n\r\nid: 1\nretry: 5\n\nevent: end\rdata:  c\r\rdatax: no\n\n"
            b"data\n\ndata: [DONE]")  # fmt: skip
    assert read_events(data) == [Event(b"a\nb"), Event(b" c", "end"), Event(b""), Event(sse.DONE)]
    assert [event.done for event in read_events(data)] == [False, False, False, True]


def test_what_is_too_long_is_told_and_not_held() -> None:
    reader = Reader(1000)
    for _ in range(100):
        assert reader.feed(b"data: " + b"x" * 900 + b"\n") == []
        assert sum(map(len, reader.data)) <= 1000  # an event of many lines
    assert reader.feed(b"\ndata: y\n\n") == [Event(b"", whole=False), Event(b"y")]
    for _ in range(100):
        assert reader.feed(b": " + b"x" * 900) == []
        assert sum(map(len, reader.lines.rest)) <= 2000  # a line without an end
    assert reader.feed(b"\ndata: y\n\n") == [Event(b"y")]


def test_an_event_of_several_lines_gets_our_id_too() -> None:
    renamed = Renamed("ours")
    data = b'data: {"id": "theirs",\r\ndata: "choices": []}\r\n\r\ndata: [DONE]\n\n'
    sent = b"".join(renamed.feed(data[at : at + 1]) for at in range(len(data))) + renamed.close()
    first, last = read_events(sent)
    assert json.loads(first.data) == {"id": "ours", "choices": []} and last.done


def test_events_that_no_empty_line_parts_are_told_apart() -> None:
    pieces = [b'{"id": "theirs", "choices": [{"delta": {"content": "%d"}}]}' % n for n in range(3)]
    data = b"".join(b"data: " + p + b"\n" for p in pieces) + b"data: [DONE]\n"
    assert [event.data for event in read_events(data)] == [*pieces, sse.DONE]
    renamed, record = Renamed("ours"), Record("x", "/p", streamed=True)
    record.add(data)
    assert record.row()["answer"] == "012"
    sent = [renamed.feed(data[at : at + 1]) for at in range(len(data))]
    assert sent[-1].endswith(b"[DONE]\n")  # nothing waits for the end of the connection
    assert b"".join(sent) + renamed.close() == data.replace(b'"id": "theirs"', b'"id":"ours"')


def test_lines_that_only_together_are_json_are_one_event() -> None:
    lines = [b'{"a": [', b'{"b": 1},', b'{"c": 2}', b"]}"]
    assert read_events(b"".join(b"data: " + line + b"\n" for line in lines) * 2) == [Event(b"\n".join(lines * 2))]
    assert read_events(b"data: one\ndata: two\n\n") == [Event(b"one\ntwo")]


def test_there_is_one_reader() -> None:
    marks = ('b"data:"', '"data:"', "iter_lines(", 'b"data: "')
    others = [str(p) for p in ROOT.rglob("*.py") if p.name not in ("sse.py", "relay.py")
              and any(mark in p.read_text(encoding="utf-8") for mark in marks)]  # fmt: skip
    assert others == []
