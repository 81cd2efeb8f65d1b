"""Lessons of one step as tensors: packed in one row without padding, or padded in several rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tuneloop.train.lesson import Lesson


def packed(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """One row that holds all lessons, positions counted anew in each. See ``loss.model_loss``."""
    ids = torch.tensor([[i for lesson in lessons for i in lesson.ids]])
    positions = torch.cat([torch.arange(len(lesson)) for lesson in lessons])[None]
    places, start = [], 0
    for lesson in lessons:
        places.append(predicting(lesson) + start)
        start += len(lesson)
    at = torch.cat(places)
    return {
        "input_ids": ids, "position_ids": positions, "packed_lengths": [len(lesson) for lesson in lessons],
        "places": at, "targets": ids[0, at + 1], "weights": weights_of(lessons),
    }  # fmt: skip


def padded(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """A row for each lesson, filled up at its end; what fills it is masked."""
    longest = max(len(lesson) for lesson in lessons)
    ids = torch.zeros((len(lessons), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, lesson in enumerate(lessons):
        ids[row, : len(lesson)] = torch.tensor(lesson.ids)
        mask[row, : len(lesson)] = 1
    at = torch.cat([predicting(lesson) + row * longest for row, lesson in enumerate(lessons)])
    positions = torch.arange(longest).expand(len(lessons), -1)
    return {
        "input_ids": ids, "position_ids": positions, "attention_mask": mask,
        "places": at, "targets": ids.flatten()[at + 1], "weights": weights_of(lessons),
    }  # fmt: skip


def predicting(lesson: Lesson) -> torch.Tensor:
    """The positions whose next token is learned."""
    return torch.tensor(lesson.learned[1:], dtype=torch.bool).nonzero()[:, 0]


def weights_of(lessons: Sequence[Lesson]) -> torch.Tensor | None:
    """What each learned token weighs, in the order of ``targets``, float32; ``None`` where each weighs 1."""
    if not any(lesson.weights for lesson in lessons):
        return None
    parts = []
    for lesson in lessons:
        at = predicting(lesson)
        parts.append(torch.tensor(lesson.weights)[at + 1] if lesson.weights else torch.ones(len(at)))
    return torch.cat(parts)
