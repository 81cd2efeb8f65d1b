"""From items to scores, and from scores to what is reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from tuneloop.evaluate.baselines import baselines
from tuneloop.evaluate.cells import correct_scores, correctness
from tuneloop.evaluate.comparison import (
    compare,
    holm,
    mean_interval,
    ratio_interval,
    verdict,
    why_no_interval,
)
from tuneloop.evaluate.items import CitedSentence, Item
from tuneloop.evaluate.metrics import TOKENIZATION, corpus_bleu_4, tokenize
from tuneloop.evaluate.scorers import BUILT_IN, Answered, Scorer, ScorerFailed, chosen, measure
from tuneloop.language import stored
from tuneloop.records import Score

AUTO, DECIDES, METRIC = "auto", ("with_documents", "closed_book"), "rouge_l"  # what decides; auto: the first there is
CUT = {"answer": "model", "against": "against", "cited": "cited", "against_cited": "against_cited"}  # whose ends count


def summarise(
    items: list[Item], *, compared: bool, known: bool, resamples: int, seed: int, primary: str = AUTO,
    scorers: Sequence[str] = (),
) -> tuple[list[Score], dict[str, Any]]:  # fmt: skip
    """Every score, and the aggregate with intervals. ``primary``: the one difference that was declared to decide.

    ``scorers``: what is measured beside the built-in metrics. One that fails is left out, and named under ``unscored``.
    """
    asked = [item for item in items if item.answerable]
    closed = [item for item in asked if item.answer is not None and not item.left_out]
    sides = {"model": [i.answer or "" for i in closed]}
    if compared:
        sides["against"] = [i.against or "" for i in closed]
    used, unscored = chosen(scorers), dict[str, str]()
    values: dict[str, dict[str, list[float]]] = {}
    for metric, scorer in used.items():
        try:
            values[metric] = {side: scored(metric, scorer, texts, closed) for side, texts in sides.items()}
        except ScorerFailed as error:
            unscored[metric] = str(error)
    used = {metric: used[metric] for metric in values}
    scores = [
        Score(item=item.id, model=side, metric=metric, value=values[metric][side][number])
        for number, item in enumerate(closed)
        for side in sides
        for metric in used
    ]
    body: dict[str, Any] = {
        "items": len(items), "answerable": len(asked), "errors": sum(bool(i.failed) for i in items),
        "metrics": {m: aggregate(values[m], clusters(closed), resamples, seed) for m in used},
        "definitions": {m: s.definition for m, s in used.items()} | {"tokenization": TOKENIZATION},
    }  # fmt: skip
    if more := {name: scorer.label for name, scorer in used.items() if name not in BUILT_IN}:
        body["labels"] = more
    if unscored:
        body["unscored"] = unscored
    metric = primary if primary in used else METRIC
    body["baselines"], extra = baselines(
        closed, clusters(closed), metric, compared=compared, resamples=resamples, seed=seed
    )
    scores += extra
    body["cut"] = {CUT[field]: cut(items, field) for field in CUT if any(getattr(i, field) is not None for i in items)}
    body["metrics"]["answer_tokens"]["reference"] = mean([float(len(tokenize(i.reference))) for i in closed])
    body["correctness"] = correctness(items, resamples, seed)
    scores += correct_scores(items)
    judge(body, primary, [name for name, scorer in used.items() if scorer.descriptive])
    pairs = {side: list(zip(texts, (i.reference for i in closed), strict=True)) for side, texts in sides.items()}
    body["corpus_bleu_4"] = {side: corpus_bleu_4(found) for side, found in pairs.items()}
    if known:
        body["retrieval"] = retrieval(items, resamples, seed)
        body["citations"] = citations(items)
        body["abstention"] = abstention(items)
        scores += [
            Score(item=i.id, model="index", metric="reciprocal_rank", value=1 / i.rank if i.rank else 0.0)
            for i in items
            if i.pages and i.answerable
        ]
    body["warnings"] = warnings(body, empty=sum(not text for texts in sides.values() for text in texts))
    return scores, rounded(body)


def scored(metric: str, scorer: Scorer, texts: list[str], items: list[Item]) -> list[float]:
    answers = (Answered(i.question, text, i.reference) for text, i in zip(texts, items, strict=True))
    return measure(metric, scorer, answers)


def judge(body: dict[str, Any], primary: str, descriptive: Sequence[str] = ()) -> None:
    """Say of every difference what may be said: the primary one by its own p-value, all others together by Holm's.

    Adds ``p_adjusted`` and ``verdict`` to each. Of a metric that only describes, nothing is better.
    """
    tests = {name: part for name, part in body["metrics"].items() if "p" in part and name not in descriptive}
    differences = body["correctness"]["differences"]
    tests |= {**differences, **body["baselines"]}
    if primary == AUTO:
        primary = next((name for name in DECIDES if name in differences), METRIC)
    body["primary"] = primary
    adjusted = holm({name: part["p"] for name, part in tests.items() if name != primary})
    for name, part in tests.items():
        p = adjusted.get(name, part["p"])
        part |= {"p_adjusted": p, "verdict": verdict(part["difference"], p)}


def cut(items: list[Item], field: str) -> dict[str, int]:
    """How many answers there are, how many ended at the limit of tokens, and of how many that is not known."""
    there = [item for item in items if getattr(item, field) is not None]
    unknown = sum(field in item.end_unknown for item in there)
    return {"answers": len(there), "cut": sum(field in item.cut for item in there), "unknown": unknown}


def warnings(body: dict[str, Any], *, empty: int) -> list[str]:
    """What a reader of all the numbers must know; why one of them is not known stands beside it."""
    found = []
    if body["errors"]:
        found.append(stored("questions that were not answered, and are left out: {}").format(body["errors"]))
    if empty:
        found.append(stored("answers without text, which count as nothing: {}").format(empty))
    return found


def clusters(items: list[Item]) -> list[tuple[str, str]]:
    """The page of each item; empty where no item has one."""
    return [item.page for item in items] if any(item.pages for item in items) else []


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def aggregate(
    sides: dict[str, list[float]], clusters: list[tuple[str, str]], resamples: int, seed: int
) -> dict[str, Any]:
    """Mean with interval; compared: both means, their difference, its interval and p-value."""
    one = sides["model"]
    if "against" in sides:
        return asdict(compare(one, sides["against"], clusters, resamples=resamples, seed=seed))
    interval = mean_interval(one, clusters, resamples=resamples, seed=seed)
    unknown = "" if interval else why_no_interval(one, clusters)
    count = len(set(clusters)) or len(one)
    return {"model": mean(one), "interval": interval, "items": len(one), "clusters": count, "unknown": unknown}


def retrieval(items: list[Item], resamples: int, seed: int) -> dict[str, Any]:
    """hit@1, hit@5 and MRR@5 of the right page, over the questions whose page is known."""
    known = [item for item in items if item.pages and item.answerable]
    if not known:
        return {"items": 0}
    ranks = [item.rank or 0 for item in known]
    found = {
        "hit@1": [float(r == 1) for r in ranks], "hit@5": [float(0 < r <= 5) for r in ranks],
        "mrr@5": [1 / r if r else 0.0 for r in ranks],
    }  # fmt: skip
    body: dict[str, Any] = {"items": len(known)}
    for name, values in found.items():
        body[name] = mean(values)
        body[f"{name}_interval"] = mean_interval(values, clusters(known), resamples=resamples, seed=seed)
    return body


def citations(items: list[Item]) -> dict[str, Any]:
    """How many sentences a passage supports, and whether what the documents do not answer is said not to be."""
    asked = [item for item in items if item.cited is not None]
    paged = [item for item in asked if item.pages]
    sentences, supported = counts(asked, lambda c: True), counts(asked, lambda c: c.supported)
    of_page = counts(paged, lambda c: c.supported)
    right = [sum(c.supported and item.is_page(c.name) for c in item.citations) for item in paged]
    yes, no = [i for i in asked if i.answerable], [i for i in asked if not i.answerable]
    return {
        "items": len(asked), "sentences": sum(sentences), "supported": sum(supported),
        **ratio("supported_share", supported, sentences, asked), "right_page_sentences": sum(of_page),
        **ratio("from_the_right_page", right, of_page, paged),
        **rate("answered_when_answerable", [not i.said_unanswerable for i in yes], yes),
        **rate("refused_when_unanswerable", [bool(i.said_unanswerable) for i in no], no),
        "unanswerable_items": len(no),
    }  # fmt: skip


def abstention(items: list[Item]) -> dict[str, Any]:
    """What retrieval decides for every question, before any model is asked: to answer it, or to refuse it."""
    yes, no = [i for i in items if i.answerable], [i for i in items if not i.answerable]
    answered, refused = [bool(i.accepted) for i in yes], [not i.accepted for i in no]
    return {
        "items": len(items), **rate("accuracy", answered + refused, yes + no),
        **rate("answered_when_answerable", answered, yes), **rate("refused_when_unanswerable", refused, no),
        "unanswerable_items": len(no),
    }  # fmt: skip


def counts(items: list[Item], wanted: Callable[[CitedSentence], bool]) -> list[int]:
    """How many citations of each item are wanted."""
    return [sum(wanted(citation) for citation in item.citations) for item in items]


def rate(name: str, values: list[bool], items: list[Item]) -> dict[str, Any]:
    return ratio(name, [int(value) for value in values], [1] * len(items), items)


def ratio(name: str, parts: list[int], wholes: list[int], items: list[Item]) -> dict[str, Any]:
    """The share that the parts are of the wholes, and its interval; both None where there is no whole."""
    whole = sum(wholes)
    interval = ratio_interval(parts, wholes, clusters(items)) if whole else None
    return {name: sum(parts) / whole if whole else None, f"{name}_interval": interval}


def rounded(value: Any) -> Any:
    """Floats to six digits, so that the same answers give the same bytes on every machine."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, (list, tuple)) else value
