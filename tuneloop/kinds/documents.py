"""Documents, the chunks they are cut into, and an index of those."""

from __future__ import annotations

from pathlib import Path

from tuneloop.kinds import Fact, Kind, Summary, Table
from tuneloop.language import _, agreeing
from tuneloop.records import Chunk, Document
from tuneloop.telling import count, most_frequent

DOCUMENTS = Table(
    "documents", Document, columns=("name", "title", "language", "pages", "text"),
    line=lambda row: f"{row['name']}  {len(row['text']):,}", long=("text",),
)  # fmt: skip
CHUNKS = Table(
    "chunks", Chunk, columns=("name", "heading", "page", "tokens", "text"),
    line=lambda row: f"{row['name']}: {row['text']}",
)  # fmt: skip


class DocumentsSummary(Summary):
    """What was read."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    pages: int = 0
    types: dict[str, int] = {}  # by the ending of the file's name
    languages: dict[str, int] = {}
    left_out: dict[str, int] = {}  # characters taken for decoration, by the rule


class ChunksSummary(Summary):
    """How documents were cut."""

    chunks: int = 0
    tokens: int = 0
    longest: int = 0  # tokens
    mean: float | None = None


class IndexSummary(Summary):
    """What can be found."""

    chunks: int = 0
    documents: int = 0
    terms: int = 0
    embedding: str = ""
    dimensions: int = 0
    retriever: str = ""  # where it is not the default
    reranker: str = ""


def documents_facts(summary: DocumentsSummary, folder: Path) -> list[Fact]:
    return [
        (_("documents"), count(summary.documents)),
        (_("characters"), count(summary.characters)),
        (_("pages"), count(summary.pages) if summary.pages else ""),
        (_("types"), most_frequent(summary.types)),
        (_("languages"), most_frequent(summary.languages)),
    ]


def chunks_facts(summary: ChunksSummary, folder: Path) -> list[Fact]:
    lengths = _("{mean} on average, {longest} the longest")
    return [
        (_("chunks"), count(summary.chunks)),
        (_("tokens"), lengths.format(mean=count(summary.mean), longest=count(summary.longest))),
    ]


def index_facts(summary: IndexSummary, folder: Path) -> list[Fact]:
    embedding = summary.embedding or "none"
    vectors = _("none") if embedding == "none" else _("{name}, {count} dimensions")
    of = agreeing(summary.documents, _("{count} from {documents} document"), _("{count} from {documents} documents"))
    return [
        (_("chunks"), of.format(count=count(summary.chunks), documents=count(summary.documents))),
        (_("terms"), count(summary.terms)),
        (_("vectors"), vectors.format(name=embedding, count=count(summary.dimensions))),
        (_("retriever"), summary.retriever),
        (_("reranker"), summary.reranker),
    ]


DOCUMENTS_KIND = Kind("documents", (DOCUMENTS,), DocumentsSummary, documents_facts)
CHUNKS_KIND = Kind("chunks", (CHUNKS,), ChunksSummary, chunks_facts)
INDEX_KIND = Kind("index", (CHUNKS,), IndexSummary, index_facts)
