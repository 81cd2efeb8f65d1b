"""The stage that cuts documents into passages."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.stage import Context, DocumentsRef, Kind, Stage, read_table


class Chunk(Stage):
    """Cut documents into passages along their headings, paragraphs and sentences."""

    name: ClassVar[str] = "chunk"
    makes: ClassVar[Kind] = "chunks"
    version: ClassVar[int] = 3
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

    def _chunks(self, ctx: Context) -> Iterator[Any]:
        """The chunks of all documents, in order."""
        from tuneloop.documents.cut import cut
        from tuneloop.kinds.documents import DOCUMENTS, DocumentsSummary

        total = DocumentsSummary.read(ctx.summary(self.documents)).documents or None
        for done, document in enumerate(read_table(ctx, self.documents, DOCUMENTS), 1):
            for chunk in cut(document, self.tokens, self.overlap):
                self._tokens += chunk.tokens
                self._longest = max(self._longest, chunk.tokens)
                yield chunk
            ctx.progress(done, total, "documents")
