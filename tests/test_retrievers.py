"""How an index is searched: the built-in ways, those of packages, what orders passages again, and what fails."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuneloop.doors import Declared, Faulty
from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.knowledge import open_index
from tuneloop.knowledge.bounded import Bounded
from tuneloop.knowledge.index import Index
from tuneloop.knowledge.query import Query
from tuneloop.knowledge.rerankers import RERANKERS, endpoint
from tuneloop.knowledge.retrievers import RETRIEVERS
from tuneloop.records import Chunk, write_rows

TEXTS = ["pump pump filter", "a valve opens", "the pump stops at forty bar", "readers borrow books"]
SECRET = "patient Zorbex"


class Meaning:
    """An endpoint to which every question means a valve."""

    base_url, model = "http://127.0.0.1:9/v1", "embedder"

    async def embed(self, texts: list[str]) -> list[list[float]]:
        return [[1.0 + 3 * ("valve" in text), 1.0] for text in texts]

    async def aclose(self) -> None:
        pass

    def query(self, text: str) -> np.ndarray:
        return np.array([1.0, 0.0], np.float32)

    def close(self) -> None:
        pass


def make(ctx: Any, **fields: Any) -> Path:
    ctx.client, folder = Meaning(), ctx.out.parent / "chunks"
    folder.mkdir()
    rows = [
        Chunk(id=f"c{n}", document=f"d{n}", name=f"{n}.md", start=0, end=len(text), text=text, heading=["House"])
        for n, text in enumerate(TEXTS)
    ]
    write_rows(folder / "chunks.parquet", Chunk, rows)
    stage = Index(chunks=ctx.add("chunks", folder), **{"embedding": "corp", **fields})
    ctx.told = stage.run(ctx)
    return ctx.out


def texts(folder: Path, question: str = "When does the pump stop?", k: int = 4, **options: Any) -> list[str]:
    options.setdefault("embedder", Meaning())
    return [passage.chunk.text for passage in open_index(folder, **options).search(question, k)]


def test_words_find_what_shares_words_and_meaning_what_means_it(ctx: Any) -> None:
    by_words = texts(make(ctx, retriever="words"))
    assert by_words == [TEXTS[2], TEXTS[0]], "no other shares a word"
    info = json.loads((ctx.out / "index.json").read_text(encoding="utf-8"))
    assert ctx.told["retriever"] == info["retriever"] == "words"
    said = {"words": by_words}
    for name in ("meaning", "fused"):
        (ctx.out / "index.json").write_text(
            json.dumps(info | {"retriever": name, "cosine_spread": 20.0}), encoding="utf-8"
        )
        said[name] = texts(ctx.out)
    assert said["meaning"][0] == TEXTS[1] and len(said["meaning"]) == 4
    assert said["fused"][0] == TEXTS[2] and len(said["fused"]) == 4


def test_an_index_says_how_it_is_searched_only_where_it_is_not_as_before(ctx: Any) -> None:
    info = json.loads((make(ctx) / "index.json").read_text(encoding="utf-8"))
    assert info["format"] == 1 and not {"retriever", "reranker", "editions"} & {*info, *ctx.told}
    (ctx.out / "index.json").write_text(json.dumps(info | {"format": 3}), encoding="utf-8")
    with pytest.raises(Conflict, match="newer"):
        open_index(ctx.out)


def test_what_is_searched_otherwise_is_not_opened_by_what_knows_one_way(ctx: Any) -> None:
    assert json.loads((make(ctx, retriever="words") / "index.json").read_text(encoding="utf-8"))["format"] == 2


def test_a_retriever_that_is_not_there_or_needs_vectors_is_refused_before_anything_is_made(ctx: Any) -> None:
    with pytest.raises(ValueError, match="Did you mean 'meaning'"):
        Index(chunks="chunks:x", retriever="meanings")
    with pytest.raises(TuneloopError, match="'meaning' needs vectors"):
        Index(chunks="chunks:x", retriever="meaning", embedding="none").check_outside(ctx.store.settings)


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, Any], None]:
    """Puts a part named ``brought`` behind a door, as a package would."""

    def put(door: Any, part: Any) -> None:
        monkeypatch.setitem(door.declared(), "brought", Declared("brought", "a:B", "tinkered", "1.0"))
        monkeypatch.setitem(door.parts, "brought", part)

    return put


class Bad:
    """A retriever of a package; what it does is given."""

    needs_vectors = False

    def __init__(self, do: Callable[[Query], Any]) -> None:
        self.do = do

    def retrieve(self, query: Query, k: int) -> Any:
        return self.do(query)


def fails(query: Query) -> Any:
    raise KeyError(query.text)


@pytest.mark.parametrize(
    ("do", "why"),
    [
        (fails, "KeyError"), (lambda query: [(99, 1.0)], "ValueError"), (lambda query: [(0, np.nan)], "ValueError"),
        (lambda query: None, "TypeError"), (lambda query: threading.Event().wait(30), "TimeoutError"),
    ],
)  # fmt: skip
def test_a_retriever_that_fails_is_named_and_the_gateway_finds_as_before(
    do: Any, why: str, ctx: Any, brought: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought(RETRIEVERS, Bad(lambda query: RETRIEVERS.find("words").retrieve(query, 3)))
    folder = make(ctx, retriever="brought", embedding="none")
    assert json.loads((folder / "index.json").read_text(encoding="utf-8"))["editions"] == ["tinkered 1.0"]
    brought(RETRIEVERS, Bad(do))
    monkeypatch.setattr(Bounded.run, "__defaults__", (0.05,))
    with caplog.at_level(logging.WARNING):
        found = texts(folder, f"When does the pump stop, {SECRET}?", forgiving=True)
    assert found == [TEXTS[2], TEXTS[0]]
    told = caplog.text
    assert "brought of the package tinkered in tuneloop.retrievers" in told and why in told and "Zorbex" not in told
    if why != "TimeoutError":
        with pytest.raises(Faulty, match="'brought' of the package tinkered has failed"):
            texts(folder)


def test_an_index_whose_retriever_is_not_installed_is_not_opened(ctx: Any) -> None:
    folder = make(ctx, embedding="none")
    info = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    (folder / "index.json").write_text(json.dumps(info | {"retriever": "gone"}), encoding="utf-8")
    with pytest.raises(NotFound, match="no retriever 'gone'"):
        open_index(folder, forgiving=True)


class Judge(ThreadingHTTPServer):
    """A server with /rerank that likes short passages; ``mode`` is what goes wrong."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Bench)
        self.asked: list[dict[str, Any]] = []
        self.mode, self.go = "", threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Bench(BaseHTTPRequestHandler):
    server: Judge

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({**body, "path": self.path, "key": self.headers["Authorization"]})
        if self.server.mode == "hangs":
            self.server.go.wait(30)
        rows = [{"index": n, "relevance_score": -len(text)} for n, text in enumerate(body["documents"])][::-1]
        if self.server.mode == "few":
            rows = rows[1:]
        if self.server.mode == "nan":
            rows[0]["relevance_score"] = float("nan")
        text = json.dumps({"data" if self.server.mode == "data" else "results": rows}).encode()
        self.send_response(500 if self.server.mode == "down" else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def judge() -> Iterator[Judge]:
    server = Judge()
    yield server
    server.go.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def judged(judge: Judge, ctx: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A context whose workspace names the server in tuneloop.toml."""
    from tuneloop.store import Store

    monkeypatch.setenv("JUDGE_KEY", "k-1")
    url = f"http://127.0.0.1:{judge.server_address[1]}/v1"
    file = ctx.store.root / "tuneloop.toml"
    file.write_text(f'[endpoints.judge]\nurl = "{url}"\nmodel = "short"\napi_key_env = "JUDGE_KEY"\n')
    ctx.store = Store(ctx.store.root)
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(ctx.store.root))
    return ctx


@pytest.mark.parametrize("mode", ["", "data"])
def test_a_server_orders_what_the_search_found(mode: str, judged: Any, judge: Judge) -> None:
    folder = make(judged, embedding="none", reranker="endpoint:judge")
    judge.mode = mode
    judge.asked.clear()
    found = open_index(folder).search("When does the pump stop?", 2)
    assert [p.chunk.text for p in found] == [TEXTS[0], TEXTS[2]] and [p.rank for p in found] == [1, 2]
    assert found[0].score > found[1].score and found[0].words < found[1].words
    (asked,) = judge.asked
    assert asked.pop("path") == "/v1/rerank" and asked.pop("key") == "Bearer k-1"
    assert asked == {
        "model": "short", "query": "When does the pump stop?", "documents": [f"House\n{TEXTS[n]}" for n in (2, 0)]
    }  # fmt: skip
    assert open_index(folder).search("zebra") == [] and len(judge.asked) == 1, "nothing found, nothing asked"


@pytest.mark.parametrize("mode", ["few", "nan", "down", "hangs"])
def test_without_its_server_passages_stand_as_they_were_found(
    mode: str, judged: Any, judge: Judge, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "ATTEMPT", 0.3 if mode == "hangs" else 30)
    monkeypatch.setattr(endpoint, "RETRIES", 0)
    folder = make(judged, embedding="none", reranker="endpoint:judge")
    judge.mode = mode
    with caplog.at_level(logging.WARNING):
        assert texts(folder, f"When does the pump stop, {SECRET}?", forgiving=True) == [TEXTS[2], TEXTS[0]]
    assert "endpoint of the package tuneloop in tuneloop.rerankers: ChatError" in caplog.text
    assert "Zorbex" not in caplog.text
    with pytest.raises(TuneloopError):
        texts(folder)


def test_a_reranker_that_is_not_there_is_refused_before_anything_is_made(judged: Any) -> None:
    def check(reranker: str) -> None:
        Index(chunks="chunks:x", embedding="none", reranker=reranker).check_outside(judged.store.settings)

    check("endpoint:judge")
    with pytest.raises(NotFound, match="no endpoint 'jugde'") as wrong:
        check("endpoint:jugde")
    assert "'judge'" in wrong.value.hint
    with pytest.raises(NotFound, match="no reranker 'endpiont'"):
        check("endpiont:judge")


def test_a_reranker_of_a_package_that_gives_too_few_scores_is_named(ctx: Any, brought: Any) -> None:
    class Few:
        def scores(self, query: str, passages: Any) -> list[float]:
            return [1.0]

    brought(RERANKERS, lambda what, settings: Few())
    with pytest.raises(Faulty, match="package tinkered has failed: ValueError: 1 scores of 2 passages"):
        texts(make(ctx, embedding="none", reranker="brought:x"))


def test_what_hangs_is_left_behind_and_its_place_is_bounded() -> None:
    bounded, go = Bounded(places=1), threading.Event()
    for _attempt in range(2):  # the second finds no place
        with pytest.raises(TimeoutError):
            bounded.run(lambda: go.wait(30), 0.05)
    go.set()
    assert bounded.run(lambda: "done", 20) == "done"
