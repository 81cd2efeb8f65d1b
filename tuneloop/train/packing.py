"""Which conversations make up one training step: packed to a number of tokens, in an order that the seed fixes."""

import random
from bisect import bisect_left, insort
from collections.abc import Sequence


def pack(order: Sequence[int], lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Best fit: each item goes where the least room is left, or begins a new pack. ``order`` holds indices.

    No pack holds more than ``capacity`` tokens, but an item longer than that is a pack of its own.
    """
    packs: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens left, pack), sorted
    for index in order:
        place = bisect_left(room, (lengths[index], -1))
        if place < len(room):
            left, number = room.pop(place)
        else:
            left, number = capacity, len(packs)
            packs.append([])
        packs[number].append(index)
        if left > lengths[index]:
            insort(room, (left - lengths[index], number))
    return packs


def plan_steps(
    lengths: Sequence[int], *, epochs: int, capacity: int, seed: int, packing: bool = True
) -> list[list[int]]:
    """The items of every step of a run. Each epoch sees each item once, in an order of its own."""
    steps = []
    for epoch in range(epochs):
        order = list(range(len(lengths)))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        steps += pack(order, lengths, capacity) if packing else pad(order, lengths, capacity)
    return steps


def pad(order: Sequence[int], lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Batches in ``order`` that, padded to their longest item, hold at most ``capacity`` tokens."""
    batches: list[list[int]] = []
    longest = 0
    for index in order:
        longest = max(longest, lengths[index])
        if not batches or longest * (len(batches[-1]) + 1) > capacity:
            batches.append([])
            longest = lengths[index]
        batches[-1].append(index)
    return batches


def tokens_at_most(steps: Sequence[Sequence[int]], lengths: Sequence[int], packing: bool) -> int:
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


def times_seen(lessons: int, steps: list[list[int]]) -> list[int]:
    """How many of the steps have each of ``lessons`` lessons."""
    counts = [0] * lessons
    for step in steps:
        for index in step:
            counts[index] += 1
    return counts
