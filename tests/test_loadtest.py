"""The load generator against a server whose timing is known, and the figures made of it."""

import asyncio
import json
import math
import sys
import threading
import time
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tuneloop.charts import axis
from tuneloop.demo import limits, report
from tuneloop.errors import TuneloopError
from tuneloop.kinds import facts_of
from tuneloop.loadtest import LoadTest, preflight
from tuneloop.loadtest.arrivals import arrivals
from tuneloop.loadtest.chart import chart
from tuneloop.loadtest.generator import Generator, Plan, Request, verdict
from tuneloop.loadtest.prompts import body, built_in, choose
from tuneloop.loadtest.report import distribution, goodput, quantile, summarize, time_per_output_token
from tuneloop.loadtest.stream import Stream
from tuneloop.loadtest.wire import parse_target
from tuneloop.processes import Child, free_port
from tuneloop.records import Example, Message, read_rows, write_rows

MOCK = Path(__file__).parent.parent / "benchmarks" / "mock_chat_server.py"


def start_mock(folder: Path, **options: float) -> Child:
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return Child.start([sys.executable, str(MOCK), *flags], log=folder / "mock.log")


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_mock(tmp_path_factory.mktemp("mock")) as child:
        yield child.ready["url"]


def truth(url: str, *, forget: bool = False) -> dict[str, list[float]]:
    request = urllib.request.Request(url.replace("/v1", "/truth"), method="POST" if forget else "GET")
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read())


def run(url: str, starts: list[float], *, model: str = "ok", drain: float = 10.0) -> list[Request]:
    bodies = [body(c, model=model, max_tokens=8, seed=0) for c in built_in()]
    generator = Generator(Plan(parse_target(url), starts, choose(built_in(), len(starts), 0), bodies, drain))
    generator.start()
    generator.join(60)
    assert not generator.failure
    return generator.progress.rows


def test_what_is_measured_is_what_happened(mock: str) -> None:
    """The mock sends a role at once, the first token after 50 ms and one every 5 ms; it notes what it did."""
    truth(mock, forget=True)
    rows = run(mock, arrivals("constant", 20, 2, 0))
    true = truth(mock)
    assert [r.state for r in rows] == ["ok"] * 40 and {r.output_tokens for r in rows} == {20}
    first = [r.time_to_first_token or 0.0 for r in rows]
    assert min(first) >= 0.050  # neither the role nor an earlier clock counts
    assert 0 <= median(first) - median(true["first"]) < 0.005
    gaps = [b - a for r in rows for a, b in pairwise(r.token_times)]
    assert abs(median(gaps) - median(true["gaps"])) < 0.001
    assert abs(median(filter(None, map(time_per_output_token, rows))) - 0.005) < 0.001


def test_a_late_client_has_its_delay_in_the_latency(mock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def late(moment: float, stopped: threading.Event) -> None:
        await asyncio.sleep(moment - time.perf_counter() + 0.1)

    monkeypatch.setattr("tuneloop.loadtest.generator.wait_until", late)
    (row,) = run(mock, [0.0])
    assert row.started >= 0.1 and (row.time_to_first_token or 0) >= 0.15 and row.latency > 0.15


def test_waiting_in_the_servers_queue_is_latency_and_what_does_not_end_is_not_dropped(tmp_path: Path) -> None:
    """A server that does 10 a second is sent 40: the queue grows, and the last requests are the slowest."""
    with start_mock(tmp_path, slots=1, first=0.08, gap=0.0, tokens=2) as child:
        rows = run(child.ready["url"], arrivals("constant", 40, 1, 0), drain=0.5)
    ended = [r for r in rows if r.state == "ok"]
    waiting = [r for r in rows if r.state == "in_flight"]
    assert len(rows) == 40 and 5 <= len(ended) < 25 and len(ended) + len(waiting) == 40
    late = max(ended, key=lambda r: r.number)
    assert (late.time_to_first_token or 0) > 5 * (rows[0].time_to_first_token or 0)
    figures = summarize(rows, 2.0, most_in_flight=1, objective=0.2)
    assert figures["requests"]["in_flight"] == len(waiting) and figures["latency"]["count"] == 40
    assert figures["latency"]["lower_bounds"] == len(waiting) and "p99" in figures["latency"]["at_least"]
    assert figures["goodput"]["share"] < 0.2
    assert all(1.45 < r.scheduled + r.latency < 2.5 for r in waiting)  # from its start to the deadline


@pytest.mark.parametrize(
    ("model", "kind"),
    [("status-503", "http_503"), ("status-429", "http_429"), ("broken", "broken_stream"), ("silent", "no_text"),
     ("error-event", "error_event")],
)  # fmt: skip
def test_errors_by_kind(mock: str, model: str, kind: str) -> None:
    rows = run(mock, [0.0, 0.02], model=model)
    assert [(r.state, r.error) for r in rows] == [("error", kind)] * 2
    figures = summarize(rows, 1.0, most_in_flight=1, objective=None)
    assert figures["errors"] == {kind: 2} and figures["error_rate"] == 1 and figures["latency"] == {"count": 0}


def test_what_the_search_refused_is_no_answer_of_a_model(mock: str, ctx: Any) -> None:
    """Refusals come at once: among the answers, they would halve the median and add tokens that nobody wrote."""
    rows = run(mock, arrivals("constant", 20, 1, 0), model="half-refused")
    assert [r.state for r in rows].count("refused") == 10
    found = summarize(rows, 1.0, most_in_flight=1, objective=0.01)
    assert (found["requests"]["ok"], found["requests"]["refused"], found["requests"]["failed"]) == (10, 10, 0)
    assert found["latency"]["count"] == found["time_to_first_token"]["count"] == 10
    assert found["latency"]["min"] > 0.14 and found["time_to_first_token"]["min"] >= 0.05
    assert found["output_tokens"] == 200 and found["requests_per_second"] == 10
    assert found["tokens_counted_by"] == ["server"]
    assert found["goodput"]["share"] == 0, "a refusal within the objective is no answer within it"
    told = dict(facts_of("loadtest", found, Path()))
    assert "10 answered by a model, 10 refused" in told["requests"] and "10 of 20" in told["refused"]
    assert told["latency"].endswith("(n = 10)")
    picture = chart(rows, "t")
    assert picture.count('width="7" height="7"') == 11 and "refused: no model was asked" in picture
    (doubted,) = run(mock, [0.0], model="doubted")
    assert doubted.state == "ok" and doubted.output_tokens == 20, "not found, yet a model wrote it"


def test_where_all_was_refused_there_is_no_latency(mock: str, ctx: Any) -> None:
    summary = LoadTest(url=mock, model_name="refused", rate=10, seconds=1, arrivals="constant", ttft_objective=1).run(
        ctx
    )
    assert summary["latency"] == summary["time_to_first_token"] == {"count": 0} and summary["output_tokens"] == 0
    assert not summary["error_rate"] and summary["goodput"]["share"] is None
    told = {label: text for label, text in facts_of("loadtest", summary, Path()) if text}
    assert set(told) == {"requests", "refused"} and "no latency: 10 of 10" in told["refused"]
    assert "No answer of a model to show" in (ctx.out / "chart.svg").read_text(encoding="utf-8")
    body = {"seconds": 1.0, "stages": [], "peak_memory_mib": 0.0, "loadtest": summary}
    cost = dict(limits.cost(body, "m"))
    assert "until an answer begins, median" not in cost and "10 more requests were refused" in cost["measured with"]
    assert [label for label, _text in report.load_rows(summary)] == ["requests"]


def test_the_clock_starts_once_a_model_was_asked(mock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first question that is refused does not wake the model."""
    monkeypatch.setattr(preflight, "TRIES", 3)
    asked: list[bytes] = []
    ask = preflight.ask
    monkeypatch.setattr(preflight, "ask", lambda *given: (asked.append(given[3]), ask(*given))[1])
    bodies = [body(c, model=m, max_tokens=8, seed=0) for c, m in zip(built_in(), ("refused", "ok", "ok"), strict=False)]
    preflight.warm_up(parse_target(mock), bodies, mock)
    assert asked == bodies[:2]


def test_nobody_there_and_a_hanging_server(mock: str) -> None:
    assert [r.error for r in run(f"http://127.0.0.1:{free_port()}", [0.0])] == ["connection"]
    (row,) = run(mock, [0.0], model="hang", drain=0.2)
    assert row.state == "in_flight" and 0.15 < row.latency < 2 and row.time_to_first_token is None


def test_the_stage_writes_rows_figures_and_a_chart(mock: str, ctx: Any) -> None:
    stage = LoadTest(url=mock, rate=20, seconds=1, arrivals="constant", ttft_objective=1.0)
    summary = stage.run(ctx)
    assert summary["requests"]["ok"] == 20 and summary["model_name"] == "ok" and summary["goodput"]["share"] == 1
    assert json.loads((ctx.out / "summary.json").read_text(encoding="utf-8")) == summary
    rows = list(read_rows(ctx.out / "requests.parquet", Request))
    assert [r.number for r in rows] == list(range(20)) and len({r.prompt for r in rows}) == len(built_in())
    picture = ElementTree.parse(ctx.out / "chart.svg").getroot()
    assert picture.tag.endswith("svg") and "Time to first token (seconds)" in "".join(picture.itertext())
    assert {"time_to_first_token_p50", "requests_per_second"} <= {name for name, _value, _step in ctx.metrics}


def test_a_model_is_measured_behind_its_gateway_with_a_datasets_questions(mock: str, ctx: Any, tmp_path: Path) -> None:
    asked = [Message(role="user", content="Where?"), Message(role="assistant", content="Here.")]
    (tmp_path / "d").mkdir()
    write_rows(tmp_path / "d" / "examples.parquet", Example, [Example(id="1", messages=asked)])
    ctx.url = mock
    dataset = ctx.add("dataset", tmp_path / "d")
    stage = LoadTest(model="model:clinic", dataset=dataset, rate=10, seconds=0.3)
    assert stage.run(ctx)["requests"]["failed"] == 0
    assert stage.fingerprint() == "" != LoadTest(url=mock).fingerprint() != LoadTest(url=mock).fingerprint()


@pytest.mark.parametrize(
    ("given_", "message"),
    [({}, "give the URL"), ({"url": "x", "model": "m"}, "not both"),
     ({"url": "x", "knowledge": "i"}, "belongs to --model"),
     ({"url": "x", "rate": 1000, "seconds": 1000}, "above 50000")],
)  # fmt: skip
def test_what_cannot_be_asked(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LoadTest(**given_)


def test_one_clear_line_before_anything_is_sent(mock: str, ctx: Any) -> None:
    for url, message in ((f"http://127.0.0.1:{free_port()}/v1", "nobody answers"), ("ftp://x", "not the URL"),
                         ("http://127.0.0.1:99999", "not the URL")):  # fmt: skip
        with pytest.raises(TuneloopError, match=message):
            LoadTest(url=url, rate=1, seconds=1).run(ctx)
    with pytest.raises(TuneloopError, match=r"answered 401: as you wish\. Put the key into"):
        LoadTest(url=mock, model_name="status-401", rate=1, seconds=1).run(ctx)
    with pytest.raises(TuneloopError, match="does not stream"):
        LoadTest(url=mock, model_name="silent", rate=1, seconds=1).run(ctx)


def test_a_cancel_ends_the_test_at_once(mock: str, ctx: Any) -> None:
    def cancelled(*_: Any) -> None:
        raise TuneloopError("cancelled")

    ctx.progress = cancelled
    with pytest.raises(TuneloopError, match="cancelled"):
        LoadTest(url=mock, rate=1, seconds=3600).run(ctx)
    assert all(thread.name != "load-generator" for thread in threading.enumerate())


@given(st.sampled_from(["poisson", "constant"]), st.floats(0.1, 200), st.floats(0.1, 60), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_arrivals(kind: Any, rate: float, seconds: float, seed: int) -> None:
    starts = arrivals(kind, rate, seconds, seed)
    assert starts == arrivals(kind, rate, seconds, seed)
    assert starts[0] == 0 and starts == sorted(starts) and starts[-1] < seconds
    slack = 1.5 if kind == "constant" else 6 * math.sqrt(rate * seconds) + 6
    assert abs(len(starts) - rate * seconds) <= slack


def test_poisson_gaps_are_as_spread_as_exponential_ones() -> None:
    starts = arrivals("poisson", 10, 1000, 1)
    gaps = [b - a for a, b in pairwise(starts)]
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((g - mean) ** 2 for g in gaps) / len(gaps)) / mean
    assert abs(mean - 0.1) < 0.005 and abs(spread - 1) < 0.05


@given(st.lists(st.floats(0, 1e3), min_size=1), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_quantile_is_the_smallest_value_that_covers_the_share(values: list[float], share: float) -> None:
    found = quantile(sorted(values), share)
    assert found in values and sum(v <= found for v in values) >= share * len(values) - 1e-6
    assert all(sum(v <= other for v in values) < share * len(values) for other in values if other < found)


def test_lower_bounds_count_and_are_named() -> None:
    found = distribution([1.0, 2.0, 3.0], [2.5])
    assert (found["p50"], found["p99"], found["lower_bounds"], found["at_least"]) == (
        2.0,
        3.0,
        1,
        ["p90", "p95", "p99"],
    )
    assert "at_least" not in distribution([1.0])


EVENTS = (
    b'data: {"choices":[{"delta":{"role":"assistant","content":null}}]}\n\n: ping\n\ndata: {"choices":[{"delta":'
    b'{"content":"\xe4\xbd\xa0"}}]}\r\n\r\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
)


@given(st.lists(st.integers(0, len(EVENTS)), max_size=12))
def test_an_event_may_be_split_anywhere(cuts: list[int]) -> None:
    edges, stream = sorted({0, len(EVENTS), *cuts}), Stream()
    for at, (begin, end) in enumerate(pairwise(edges)):
        stream.feed(float(at), EVENTS[begin:end])
    assert len(stream.times) == 1 and stream.characters == 1 and (stream.prompt_tokens, stream.tokens) == (3, 1)
    assert stream.whole() and not stream.trouble and verdict(200, stream) == ""


@given(st.binary(max_size=200))
def test_no_answer_breaks_the_reader(data: bytes) -> None:
    stream = Stream()
    stream.feed(0.0, b"data: " + data + b"\n\n")
    stream.close(1.0)
    stream.message()
    assert not stream.times or not stream.trouble


def test_targets() -> None:
    for url in (
        "http://h:1",
        "http://h:1/",
        "http://h:1/v1",
        "http://h:1/v1/",
        "h:1",
        "http://h:1/v1/chat/completions",
    ):
        target = parse_target(url)
        assert (target.host, target.port, target.path, target.tls) == ("h", 1, "/v1", False)
    secure = parse_target("https://[::1]/api/v3", "key")
    assert (secure.port, secure.path, secure.tls) == (443, "/api/v3", True)
    assert ("Host", "[::1]") in secure.headers(0) and ("Authorization", "Bearer key") in secure.headers(0)


def test_goodput_counts_failed_requests_against_the_server() -> None:
    rows = [Request(number=n, scheduled=n, state="ok", time_to_first_token=t) for n, t in enumerate((0.1, 0.3))]
    rows.append(Request(number=2, scheduled=2, state="error", error="http_500", time_to_first_token=0.1))
    assert goodput(rows, 2.0, 0.2) == {
        "time_to_first_token_objective": 0.2, "requests": 1, "share": 0.333333, "requests_per_second": 0.5,
    }  # fmt: skip


@given(st.floats(1e-6, 1e5))
def test_axes_cover_their_values_with_few_round_ticks(largest: float) -> None:
    ticks = axis(largest)
    assert ticks[0] == 0 and ticks[-1] >= max(largest, 1e-3) * 0.99999 and 3 <= len(ticks) <= 7


def test_a_chart_of_nothing_and_of_failures_is_still_a_picture() -> None:
    rows = [Request(number=0, scheduled=0, state="error", error="x"), Request(number=1, scheduled=1, state="in_flight")]
    for given_rows in ([], rows):
        ElementTree.fromstring(chart(given_rows, "<title> & more"))
