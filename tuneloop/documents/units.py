"""The units that a document is cut between: sentences, lines of code, rows of tables, headings."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

BEGINNINGS = ("paragraph", "item", "sentence", "announced", "piece", "headed")
KINDS = ("text", "heading", "table", "code", "list")


@dataclass(frozen=True)
class Unit:
    """A span that is not cut again, and how it begins."""

    start: int
    end: int
    begins: str  # what a cut before it would part, one of BEGINNINGS
    weight: int  # hundredths of a token, with the space after it
    kind: str  # of its section

    @property
    def prose(self) -> bool:
        """Whether it may be repeated at the beginning of the next chunk."""
        return self.kind in ("text", "list")


class Units(Sequence[Unit]):
    """Units in order, in 22 bytes each: under one heading may stand a book."""

    def __init__(self, units: Iterable[Unit] = ()) -> None:
        self.starts, self.ends, self.weights = array("Q"), array("Q"), array("I")
        self.begins, self.kinds = bytearray(), bytearray()
        self.extend(units)

    def append(self, unit: Unit) -> None:
        self.starts.append(unit.start)
        self.ends.append(unit.end)
        self.weights.append(unit.weight)
        self.begins.append(BEGINNINGS.index(unit.begins))
        self.kinds.append(KINDS.index(unit.kind))

    def extend(self, units: Iterable[Unit]) -> None:
        for unit in units:
            self.append(unit)

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Unit]:
        return (self[place] for place in range(len(self)))

    @overload
    def __getitem__(self, place: int) -> Unit: ...
    @overload
    def __getitem__(self, place: slice) -> list[Unit]: ...
    def __getitem__(self, place: int | slice) -> Unit | list[Unit]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        return Unit(
            self.starts[place], self.ends[place], BEGINNINGS[self.begins[place]], self.weights[place],
            KINDS[self.kinds[place]],
        )  # fmt: skip

    def prose(self, place: int) -> bool:
        """``self[place].prose``, in a loop over all."""
        return self.kinds[place] in PROSE


PROSE = tuple(KINDS.index(kind) for kind in ("text", "list"))


@dataclass
class Group:
    """Units under one path of headings."""

    heading: list[str]
    units: Units = field(default_factory=Units)
    joined: bool = False  # made of several groups

    @property
    def weight(self) -> int:
        return sum(self.units.weights)
