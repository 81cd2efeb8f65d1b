"""Which conversations make up one training step: packed to a number of tokens, in an order that the seed fixes."""

import random
from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence


class Steps:
    """The items of each step, as numbers: 4 bytes an item, since a run over many epochs has many."""

    def __init__(self) -> None:
        self.items, self.ends = array("I"), array("Q", [0])

    def add(self, items: Sequence[int]) -> None:
        self.items.extend(items)
        self.ends.append(len(self.items))

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, step: int) -> list[int]:
        if not 0 <= step < len(self):
            raise IndexError(step)
        return self.items[self.ends[step] : self.ends[step + 1]].tolist()

    def __iter__(self) -> Iterator[list[int]]:
        return (self[step] for step in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Steps) and (self.items, self.ends) == (other.items, other.ends)

    __hash__ = None  # type: ignore[assignment]


def pack(order: Sequence[int], lengths: Sequence[int], capacity: int) -> Iterator[Sequence[int]]:
    """Best fit: each item goes where the least room is left, or begins a new pack. ``order`` holds indices.

    No pack holds more than ``capacity`` tokens, but an item longer than that is a pack of its own.
    """
    import numpy as np

    places, count = array("I"), 0  # the pack of each item, in their order
    room: list[tuple[int, int]] = []  # (tokens left, pack), sorted
    shortest = min(lengths)
    for index in order:
        place = bisect_left(room, (lengths[index], -1))
        if place < len(room):
            left, number = room.pop(place)
        else:
            left, number = capacity, count
            count += 1
        places.append(number)
        if left - lengths[index] >= shortest:  # else nothing will ever fit
            insort(room, (left - lengths[index], number))
    packs = np.asarray(places)
    grouped = np.asarray(order, np.uint32)[np.argsort(packs, kind="stable")]
    ends = np.cumsum(np.bincount(packs, minlength=count))
    begin = 0
    for end in ends:
        yield grouped[begin:end].tolist()
        begin = end


def plan_steps(
    lengths: Sequence[int], *, epochs: int, capacity: int, seed: int, packing: bool = True, most: int = 0
) -> Steps:
    """The items of every step of a run, or of its first ``most``. Each epoch sees each item once, in an order of its
    own."""
    steps = Steps()
    for epoch in range(epochs):
        order = array("I", range(len(lengths)))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        for items in pack(order, lengths, capacity) if packing else pad(order, lengths, capacity):
            if most and len(steps) == most:
                return steps
            steps.add(items)
    return steps


def pad(order: Sequence[int], lengths: Sequence[int], capacity: int) -> Iterator[Sequence[int]]:
    """Batches in ``order`` that, padded to their longest item, hold at most ``capacity`` tokens."""
    batch: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, lengths[index])
        if batch and longest * (len(batch) + 1) > capacity:
            yield batch
            batch, longest = [], lengths[index]
        batch.append(index)
    if batch:
        yield batch


def tokens_at_most(steps: Steps, lengths: Sequence[int], packing: bool) -> int:
    """The tokens of the largest step, padding included."""
    if packing:
        return max(sum(lengths[i] for i in step) for step in steps)
    return max(max(lengths[i] for i in step) * len(step) for step in steps)


def learning_rate_factor(step: int, total: int, warmup: float, scheduler: str) -> float:
    """The share of the learning rate at ``step`` (from 0): linear warm-up, then constant, or falling to zero."""
    import math

    rise = round(total * warmup)
    if step < rise:
        return (step + 1) / (rise + 1)
    done = (step - rise) / max(1, total - rise)
    if scheduler == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return 1.0 if scheduler == "constant" else max(0.0, 1 - done)


def times_seen(lessons: int, steps: Steps, done: int) -> Sequence[int]:
    """How many of the first ``done`` steps had each of so many lessons."""
    counts = array("I", [0]) * lessons
    for step in range(done):
        for index in steps[step]:
            counts[index] += 1
    return counts
