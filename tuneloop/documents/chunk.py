"""The stage that cuts documents into passages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from tuneloop.errors import TuneloopError
from tuneloop.language import _, stored
from tuneloop.stage import Context, DocumentsRef, Kind, Stage, read_table

if TYPE_CHECKING:
    from tuneloop.records import Chunk as ChunkRow

MANY, MUCH = 64, 5_000_000  # documents and characters from which it is worth to start processes
BATCH = 16  # documents that one process cuts at once
OFTEN = 200  # chunks between two words on how far a document is


class Chunk(Stage):
    """Cut documents into passages along their headings, paragraphs and sentences."""

    name: ClassVar[str] = "chunk"
    makes: ClassVar[Kind] = "chunks"
    version: ClassVar[int] = 4
    resumes: ClassVar[bool] = False
    positional: ClassVar[tuple[str, ...]] = ("documents",)

    documents: DocumentsRef = Field(description="Documents to cut.")
    tokens: int = Field(200, ge=20, le=4000, description="Most tokens in a passage, estimated without a tokenizer.")
    overlap: int = Field(30, ge=0, le=1000, description="Most tokens of whole sentences repeated from the one before.")

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.kinds.documents import CHUNKS

        if self.overlap > self.tokens // 2:
            raise TuneloopError(
                _("the overlap of {overlap} tokens is more than half of a passage").format(overlap=self.overlap),
                where="overlap",
                hint=_("Use at most {most}.").format(most=self.tokens // 2),
            )
        self._tokens, self._longest = 0, 0
        count = CHUNKS.write(ctx.out, self._chunks(ctx))
        if not count:
            raise TuneloopError(_("the documents hold no text to cut"), where=self.documents)
        return {
            "chunks": count,
            "tokens": self._tokens,
            "longest": self._longest,
            "mean": round(self._tokens / count, 1),
        }

    _tokens: int = 0
    _longest: int = 0

    def _chunks(self, ctx: Context) -> Iterator[ChunkRow]:
        """The chunks of all documents, in order, counted on their way."""
        from tuneloop.kinds.documents import DocumentsSummary

        facts = DocumentsSummary.read(ctx.summary(self.documents))
        many = facts.documents >= MANY and facts.characters >= MUCH
        for chunk in self._by_processes(ctx, facts.documents) if many else self._here(ctx, facts.documents or None):
            self._tokens += chunk.tokens
            self._longest = max(self._longest, chunk.tokens)
            yield chunk

    def _here(self, ctx: Context, total: int | None) -> Iterator[ChunkRow]:
        from tuneloop.documents.cut import cut
        from tuneloop.kinds.documents import DOCUMENTS

        for done, document in enumerate(read_table(ctx, self.documents, DOCUMENTS)):
            for number, chunk in enumerate(cut(document, self.tokens, self.overlap)):
                if number % OFTEN == OFTEN - 1:
                    ctx.progress(done + chunk.end / len(document.text), total, "documents")
                yield chunk
            ctx.progress(done + 1, total, "documents")

    def _by_processes(self, ctx: Context, total: int) -> Iterator[ChunkRow]:
        """The same, by several processes. A document that ends one is set aside, and those in its batch with it."""
        from tuneloop.documents.cut import cut_all
        from tuneloop.kinds.documents import DOCUMENTS
        from tuneloop.records import Chunk as ChunkRow
        from tuneloop.records import Document
        from tuneloop.rows import map_batches

        done = 0

        def told(part: float) -> None:
            ctx.progress(done + part, total, "documents")

        for batch in map_batches(
            cut_all, read_table(ctx, self.documents, DOCUMENTS), takes=Document, gives=ChunkRow, batch=BATCH,
            arguments={"tokens": self.tokens, "overlap": self.overlap}, told=told,
        ):  # fmt: skip
            done += len(batch.batch.rows)
            if batch.problem:
                for document in batch.batch.rows:
                    ctx.reject(document.name, stored("could not be cut: {}").format(batch.problem), lost=True)
            yield from batch.rows()
