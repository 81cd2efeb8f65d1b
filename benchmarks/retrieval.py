"""How often the passage that answers is found, on public question sets: Tuneloop's parts and bm25s, in one run.

    python benchmarks/retrieval.py --data FOLDER [--sets cmrc2018 xquad anthropic_docs_rag clapnq] [--limit 0]

FOLDER holds the sets as they are published: cmrc2018 (Chinese), xquad (Chinese questions to English passages),
anthropic_docs_rag (English documentation), clapnq (English; half of its questions are not answered by their passages:
it also shows how many of those the index lets through, and how many it wrongly turns away).
Columns: hit@1, hit@5, mean reciprocal rank over the first five.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tuneloop.knowledge import Knowledge, open_index
from tuneloop.knowledge.index import Index
from tuneloop.knowledge.search import best
from tuneloop.records import Chunk, write_rows
from tuneloop.runner import Workspace

SETS = ("cmrc2018", "xquad", "anthropic_docs_rag", "clapnq")


@dataclass
class Set:
    """Passages by id, and questions with the ids of the passages that answer them (none: not answered)."""

    passages: dict[str, tuple[str, str]] = field(default_factory=dict)  # id: heading, text
    questions: list[tuple[str, set[str]]] = field(default_factory=list)


def load(folder: Path, name: str) -> Set:
    found = Set()
    if name == "cmrc2018":
        squad(found, folder / "cmrc2018_dev.json", None)
    elif name == "xquad":
        squad(found, folder / "xquad.en.json", folder / "xquad.zh.json")
    elif name == "anthropic_docs_rag":
        for row in read(folder / "anthropic_docs.json"):
            found.passages[row["chunk_link"]] = (row["chunk_heading"], row["text"])
        for row in read(folder / "docs_evaluation_dataset.json"):
            found.questions.append((row["question"], set(row["correct_chunks"])))
    else:
        for part in ("answerable", "unanswerable"):
            text = (folder / f"clapnq_dev_{part}.jsonl").read_text(encoding="utf-8")
            for row in map(json.loads, text.splitlines()):
                passage = row["passages"][0]
                found.passages[passage["text"]] = (passage["title"], passage["text"])
                found.questions.append((row["input"], {passage["text"]} if part == "answerable" else set()))
    return found


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def squad(found: Set, passages: Path, questions: Path | None) -> None:
    """SQuAD's format; questions may come from a parallel file."""
    for n, article in enumerate(read(passages)["data"]):
        for m, paragraph in enumerate(article["paragraphs"]):
            found.passages[f"{n}.{m}"] = ("", paragraph["context"])
    for n, article in enumerate(read(questions or passages)["data"]):
        for m, paragraph in enumerate(article["paragraphs"]):
            found.questions += [(qa["question"], {f"{n}.{m}"}) for qa in paragraph["qas"]]


def build(workspace: Workspace, given: Set) -> tuple[Knowledge, float]:
    """An index of the set's passages, and how long it took, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            Chunk(
                id=key, document=key, name=key, start=0, end=len(text), text=text, heading=[heading] if heading else []
            )
            for key, (heading, text) in given.passages.items()
        ]
        write_rows(Path(folder) / "chunks.parquet", Chunk, rows)
        chunks = workspace.store.artifacts.save("chunks", Path(folder), {})
    begin = time.perf_counter()
    result = workspace.run(Index(chunks=str(chunks)))  # type: ignore[call-arg]
    assert result.address
    return open_index(workspace.store.artifacts.path(result.address)), time.perf_counter() - begin


def bm25s_search(given: Set) -> Callable[[str], list[str]] | None:
    """The peer, with its own tokenizer; Chinese has no spaces, so there it gets single characters."""
    try:
        import bm25s
    except ImportError:
        return None
    chinese = any("\u4e00" <= c <= "\u9fff" for c in next(iter(given.passages.values()))[1])

    def tokens(texts: list[str]) -> Any:
        spaced = [" ".join(text) for text in texts] if chinese else texts
        pattern = r"\S" if chinese else r"(?u)\b\w\w+\b"
        return bm25s.tokenize(
            spaced, stopwords=None if chinese else "en", token_pattern=pattern, show_progress=False, return_ids=False
        )

    keys = list(given.passages)
    index = bm25s.BM25()
    index.index(tokens([f"{heading}\n{text}" for heading, text in given.passages.values()]), show_progress=False)

    def search(question: str) -> list[str]:
        query = tokens([question])
        if not query[0]:
            return []
        return [keys[n] for n in index.retrieve(query, k=5, show_progress=False)[0][0]]

    return search


def ways(knowledge: Knowledge, given: Set) -> dict[str, Callable[[str], list[str]]]:
    """Searches by name, each from a question to the ids of its five best passages."""

    def by(scores: Callable[[str], np.ndarray | None]) -> Callable[[str], list[str]]:
        def search(question: str) -> list[str]:
            found = scores(question)
            return [] if found is None else [knowledge.chunk(int(n)).id for n in best(found, 5)]

        return search

    found = {
        "Tuneloop, both": lambda question: [p.chunk.id for p in knowledge.search(question, 5)],
        "  words alone": by(knowledge.word_scores),
        "  vectors alone": by(knowledge.cosines),
    }
    peer = bm25s_search(given)
    return {**found, "bm25s": peer} if peer else found


def measure(
    search: Callable[[str], list[str]], questions: Sequence[tuple[str, set[str]]]
) -> tuple[float, float, float]:
    ranks = []
    for question, right in questions:
        ranks.append(next((n for n, key in enumerate(search(question), 1) if key in right), 0))
    count = len(ranks)
    reciprocal = sum(1 / rank for rank in ranks if rank)
    return sum(rank == 1 for rank in ranks) / count, sum(rank > 0 for rank in ranks) / count, reciprocal / count


def gate(knowledge: Knowledge, questions: Sequence[tuple[str, set[str]]]) -> tuple[float, float]:
    """The shares let through of what the passages answer, and of what they do not."""
    passed: dict[bool, list[bool]] = {True: [], False: []}
    for question, right in questions:
        likely = knowledge.answerable(question, knowledge.search(question, 4))
        passed[bool(right)].append(likely >= knowledge.answerability.threshold)
    return tuple(sum(passed[part]) / max(1, len(passed[part])) for part in (True, False))  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--limit", type=int, default=0, help="questions of each set, evenly apart; 0 means all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        for name in options.sets:
            if not (options.data / name).is_dir():
                sys.exit(f"{options.data / name} is not there")
            given = load(options.data / name, name)
            questions = (
                given.questions[:: max(1, len(given.questions) // options.limit)] if options.limit else given.questions
            )
            knowledge, seconds = build(workspace, given)
            answered = [row for row in questions if row[1]]
            print(f"\n{name}: {len(given.passages)} passages (indexed in {seconds:.0f} s), {len(answered)} questions")
            print(f"  {'':<18} hit@1   hit@5   MRR@5   ms/question")
            for label, search in ways(knowledge, given).items():
                begin = time.perf_counter()
                first, five, reciprocal = measure(search, answered)
                spent = (time.perf_counter() - begin) / len(answered) * 1000
                print(f"  {label:<18} {first:.3f}   {five:.3f}   {reciprocal:.3f}   {spent:.1f}", flush=True)
            if len(answered) < len(questions):
                right, wrong = gate(knowledge, questions)
                print(f"  let through: {right:.1%} of the answerable questions, {wrong:.1%} of the unanswerable")


if __name__ == "__main__":
    main()
