"""From items to scores, and from scores to what is reported."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tuneloop.evaluate.comparison import compare, mean_interval, ratio_interval
from tuneloop.evaluate.items import Item
from tuneloop.evaluate.metrics import DEFINITIONS, METRICS, corpus_bleu_4
from tuneloop.records import Score


def summarise(
    items: list[Item], *, compared: bool, known: bool, resamples: int, seed: int
) -> tuple[list[Score], dict[str, Any]]:
    """Every score, and the aggregate with intervals."""
    closed = [item for item in items if item.answerable]
    scores = [
        Score(item=item.id, model=model, metric=metric, value=measure(text or "", item.reference))
        for item in closed
        for model, text in (("model", item.answer), *((("against", item.against),) if compared else ()))
        for metric, measure in METRICS.items()
    ]
    body: dict[str, Any] = {
        "items": len(items), "answerable": len(closed), "errors": sum(bool(i.error) for i in items),
        "metrics": {m: aggregate(scores, m, compared, resamples, seed) for m in METRICS}, "definitions": DEFINITIONS,
    }  # fmt: skip
    sides = (
        (("model", lambda i: i.answer), ("against", lambda i: i.against))
        if compared
        else (("model", lambda i: i.answer),)
    )
    body["corpus_bleu_4"] = {n: corpus_bleu_4([(of(i) or "", i.reference) for i in closed]) for n, of in sides}
    if known:
        body["retrieval"] = retrieval(items, resamples, seed)
        body["citations"] = citations(items, resamples, seed)
        body["abstention"] = abstention(items)
        scores += [
            Score(item=i.id, model="index", metric="reciprocal_rank", value=1 / i.rank if i.rank else 0.0)
            for i in items
            if i.pages and i.answerable
        ]
    return scores, rounded(body)


def aggregate(scores: list[Score], metric: str, compared: bool, resamples: int, seed: int) -> dict[str, Any]:
    """Mean with interval; compared: both means, their difference, its interval and p-value."""
    one = [s.value for s in scores if s.metric == metric and s.model == "model"]
    if compared:
        two = [s.value for s in scores if s.metric == metric and s.model == "against"]
        return asdict(compare(one, two, resamples=resamples, seed=seed))
    interval = mean_interval(one, resamples=resamples, seed=seed)
    return {"model": sum(one) / len(one) if one else 0.0, "interval": interval, "items": len(one)}


def retrieval(items: list[Item], resamples: int, seed: int) -> dict[str, Any]:
    """hit@1, hit@5 and MRR@5 of the right page, over the questions whose page is known."""
    known = [item for item in items if item.pages and item.answerable]
    ranks = [item.rank or 0 for item in known]
    hits = [float(0 < rank <= 5) for rank in ranks]
    if not known:
        return {"items": 0}
    return {
        "items": len(known), "hit@1": sum(r == 1 for r in ranks) / len(known), "hit@5": sum(hits) / len(known),
        "hit@5_interval": mean_interval(hits, resamples=resamples, seed=seed),
        "mrr@5": sum(1 / r for r in ranks if r) / len(known),
    }  # fmt: skip


def citations(items: list[Item], resamples: int, seed: int) -> dict[str, Any]:
    """How many sentences a passage supports, and whether what the documents do not answer is said not to be."""
    asked = [item for item in items if item.cited is not None]
    sentences = [c for item in asked for c in item.citations]
    supported = [c for c in sentences if c.supported]
    right = [item.is_page(c.name) for item in asked if item.pages for c in item.citations if c.supported]
    interval = ratio_interval(
        [sum(c.supported for c in item.citations) for item in asked], [len(item.citations) for item in asked],
        resamples=resamples, seed=seed,
    )  # fmt: skip
    answerable = [i for i in asked if i.answerable]
    unanswerable = [i for i in asked if not i.answerable]
    return {
        "items": len(asked), "sentences": len(sentences), "supported": len(supported),
        "supported_share": len(supported) / len(sentences) if sentences else None,
        "supported_share_interval": interval if sentences else None,
        "from_the_right_page": share(right),
        "answered_when_answerable": share([not i.said_unanswerable for i in answerable]),
        "refused_when_unanswerable": share([bool(i.said_unanswerable) for i in unanswerable]),
        "unanswerable_items": len(unanswerable),
    }  # fmt: skip


def abstention(items: list[Item]) -> dict[str, Any]:
    """What retrieval decides for every question, before any model is asked: to answer it, or to refuse it."""
    yes = [bool(item.accepted) for item in items if item.answerable]
    no = [not item.accepted for item in items if not item.answerable]
    return {
        "items": len(items), "accuracy": share(yes + no), "answered_when_answerable": share(yes),
        "refused_when_unanswerable": share(no), "unanswerable_items": len(no),
    }  # fmt: skip


def share(values: list[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def rounded(value: Any) -> Any:
    """Floats to six digits, so that the same answers give the same bytes on every machine."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, (list, tuple)) else value
