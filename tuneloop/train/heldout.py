"""Which examples are held out: whole documents, so that what is held out was not half learned."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from tuneloop.records import content_id

FEWEST = 20  # examples; from fewer, none is held out
MOST = 500  # examples that are held out, of however many: the loss on them is measured before the first step too


class Documents:
    """The documents that examples come from. Of an example without one nothing is kept but a number.

    Documents that an example has together count as one, under the first of their names in the alphabet; an example
    without a document stands for itself. ``seed`` draws an order of them, by their names alone.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.numbers: dict[str, int] = {}  # of documents, by name
        self.names: list[str] = []
        self.above: list[int] = []  # the document that each one counts as part of, or itself
        self.of = array("q")  # of each example: its document, or -1
        self.alone = array("Q")  # of each example without one: its rank

    def add(self, example: str, documents: Sequence[str]) -> None:
        """The next example, by its id, and the documents that it is from."""
        if not documents:
            self.of.append(-1)
            self.alone.append(self.rank(example))
            return
        first, *others = [self.number(name) for name in documents]
        for other in others:
            low, high = sorted((self.top(first), self.top(other)), key=self.names.__getitem__)
            self.above[high] = low
        self.of.append(first)

    def number(self, name: str) -> int:
        if (known := self.numbers.setdefault(name, len(self.names))) == len(self.names):
            self.names.append(name)
            self.above.append(known)
        return known

    def top(self, number: int) -> int:
        while (higher := self.above[number]) != number:
            self.above[number] = self.above[higher]
            number = higher
        return number

    def rank(self, name: str) -> int:
        return int(content_id(str(self.seed), name), 16)

    def held_out(self, share: float, most: int = MOST) -> bytearray:
        """1 for each example that is held out, else 0.

        In their order, each document is held out where it leaves the share whole. Where every document is larger than
        the share, the smallest is, unless it is twice as large.
        """
        import numpy as np

        count = min(round(len(self.of) * share), most) if len(self.of) >= FEWEST else 0
        of = np.array(self.of, np.int64)
        tops = np.array([self.top(number) for number in range(len(self.names))], np.int64)
        group = np.where(of < 0, np.cumsum(of < 0) - 1 + len(tops), tops[of] if len(tops) else 0)
        ranks = np.concatenate([
            np.array([self.rank(name) for name in self.names], np.uint64), np.array(self.alone, np.uint64)
        ])  # fmt: skip
        sizes = np.bincount(group, minlength=len(ranks))
        order = np.argsort(ranks, kind="stable") if count else np.array([], np.int64)
        order = order[sizes[order] > 0]
        chosen, held = np.zeros(len(ranks), bool), 0
        for number in order:
            if held + sizes[number] <= count:
                chosen[number] = True
                held += sizes[number]
                if held == count:
                    break
        if not held and count and sizes[smallest := order[np.argmin(sizes[order])]] <= 2 * count:
            chosen[smallest] = True
        return bytearray(chosen[group].astype(np.uint8).tobytes())
