"""Examples asked the way the served model is asked: with passages, so that it also learns to answer from them.

The passage that answers stands among others, at any place: what is to be learned is to find it, not to copy the first.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from tuneloop.answer import prompt
from tuneloop.knowledge.search import Passage
from tuneloop.records import Chunk, Example, Origin, content_id

ROOM = 135  # tokens for each passage, of which the longest may take from the others


class Grounder:
    """Asks examples again with ``count`` passages: the one that answers, one of the same document, the rest of any."""

    def __init__(self, chunks: Sequence[Chunk], seed: int, count: int) -> None:
        self.chunks, self.generator = chunks, random.Random(seed)
        self.others, self.budget = count - 1, max(400, ROOM * count)
        self.by_id = {chunk.id: chunk for chunk in chunks}
        self.by_document: dict[str, list[Chunk]] = defaultdict(list)
        for chunk in chunks:
            self.by_document[chunk.document].append(chunk)

    def again(self, examples: Sequence[Example], share: float) -> list[Example]:
        """``share`` of the examples, in their order, each with passages before its question."""
        picked = self.generator.sample(range(len(examples)), round(share * len(examples)))
        return [self.with_passages(examples[number]) for number in sorted(picked)]

    def with_passages(self, example: Example) -> Example:
        """The same question and answer, asked with the passage that answers and some that do not."""
        language = prompt.answering(example.question)
        passages = [Passage(chunk, 0.0, rank) for rank, chunk in enumerate(self.passages(example), 1)]
        shown = prompt.fit_passages(passages, self.budget)
        asked = prompt.grounded(example.messages[:-1], shown, language)
        turns = zip(example.messages[:-1], asked, strict=True)
        messages = [turn.model_copy(update={"content": said["content"]}) for turn, said in turns]
        messages += example.messages[-1:]
        return example.model_copy(
            update={"id": content_id(example.id, Origin.GROUNDED), "messages": messages, "origin": Origin.GROUNDED}
        )

    def passages(self, example: Example) -> list[Chunk]:
        source = example.sources[0]
        right = self.by_id[source.chunk]
        near = [c for c in self.by_document[source.document] if c.end <= right.start or c.start >= right.end]
        others = self.generator.sample(near, min(1, self.others, len(near)))
        while len(others) < min(self.others, len(self.chunks) - 1):
            chunk = self.generator.choice(self.chunks)
            if chunk.id != right.id and chunk not in others:
                others.append(chunk)
        others.insert(self.generator.randrange(len(others) + 1), right)
        return others if self.fits(others, right) else [right, *(c for c in others if c is not right)]

    def fits(self, chunks: list[Chunk], right: Chunk) -> bool:
        """Whether the right passage is shown whole where it stands."""
        shown = prompt.fit_passages([Passage(chunk, 0.0, n) for n, chunk in enumerate(chunks, 1)], self.budget)
        return any(p.chunk is right and text == right.text.strip() for p, text in shown)
