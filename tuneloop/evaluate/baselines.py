"""What no training gives: the scores of the question itself, and of the first sentence of the other model's answer.

A text metric rewards what question and reference have in common, and an answer that is as short as the reference. What
a model gains over its base is learned only as far as it is more than these two gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tuneloop.evaluate.comparison import Clusters, compare
from tuneloop.evaluate.items import Item
from tuneloop.evaluate.scorers import Scored, Scorer
from tuneloop.records import Score
from tuneloop.text.sentences import sentences


def texts(items: Sequence[Item], *, compared: bool) -> dict[str, list[str]]:
    """What each baseline answers to every item. No model is asked."""
    found = {"echo": [item.question for item in items]}
    if compared:
        found["first_sentence"] = [next(iter(sentences(item.against or "")), "").strip() for item in items]
    return found


def baselines(items: Sequence[Item], clusters: Clusters, scorer: Scorer, *, compared: bool, resamples: int,
              seed: int) -> tuple[dict[str, Any], list[Score]]:  # fmt: skip
    """The measured model against each baseline (``against``), by one metric, with the test that models get."""
    found, scores = {}, []
    known = [number for number, item in enumerate(items) if scored(item, "").has(scorer.needs)]
    items, clusters = [items[n] for n in known], [clusters[n] for n in known] if clusters else clusters
    model = [scorer.score(scored(item, item.answer or "")) for item in items]
    for name, answers in texts(items, compared=compared).items():
        values = [scorer.score(scored(item, text)) for text, item in zip(answers, items, strict=True)]
        found[name] = asdict(compare(model, values, clusters, resamples=resamples, seed=seed))
        scores += [
            Score(item=i.id, model=name, metric=scorer.name, value=v) for i, v in zip(items, values, strict=True)
        ]
    return found, scores


def scored(item: Item, answer: str) -> Scored:
    """An answer to an item, as scorers take it."""
    return Scored(item.question, answer, item.reference, item.pages)
