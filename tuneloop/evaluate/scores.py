"""From items to scores, and from scores to what is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from tuneloop.errors import TuneloopError
from tuneloop.evaluate.baselines import baselines, scored
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
from tuneloop.evaluate.overlap import TOKENIZATION, tokenize
from tuneloop.evaluate.scorers import BUILT_IN, SCORERS, Scorer
from tuneloop.evaluate.scorers.bleu import corpus_bleu_4
from tuneloop.language import _, stored
from tuneloop.records import Score

AUTO, DECIDES = "auto", ("with_documents", "closed_book")  # what decides; auto: the first there is
CUT = {"answer": "model", "against": "against", "cited": "cited", "against_cited": "against_cited"}  # whose ends count


def summarise(
    items: list[Item], scorers: Mapping[str, Scorer], *, compared: bool, known: bool, resamples: int, seed: int,
    primary: str = AUTO,
) -> tuple[list[Score], dict[str, Any]]:  # fmt: skip
    """Every score, and the aggregate with intervals. ``primary``: the one difference that was declared to decide."""
    asked = [item for item in items if item.answerable]
    closed = [item for item in asked if item.answer is not None and not item.left_out]
    sides = {"model": [i.answer or "" for i in closed]}
    if compared:
        sides["against"] = [i.against or "" for i in closed]
    usable = {name: [i for i in closed if scored(i, "").has(one.needs)] for name, one in scorers.items()}
    values, unscored = dict[str, dict[str, list[float]]](), dict[str, str]()
    for name, one in scorers.items():
        try:
            values[name] = measured(one, usable[name], list(sides))
        except Exception as error:  # what a package's scorer does is its own affair, and costs no answer
            if not (package := SCORERS.package(name)):
                raise
            unscored[name] = f"{package}: {type(error).__name__}: {error}"
    scorers = {name: one for name, one in scorers.items() if name in values}
    at = {name: {id(item): number for number, item in enumerate(found)} for name, found in usable.items()}
    scores = [
        Score(item=item.id, model=side, metric=name, value=values[name][side][at[name][id(item)]])
        for item in closed
        for side in sides
        for name in scorers
        if id(item) in at[name]
    ]
    brought = {name: one.label for name, one in scorers.items() if name not in BUILT_IN}
    body: dict[str, Any] = {
        "items": len(items), "answerable": len(asked), "errors": sum(bool(i.failed) for i in items),
        "metrics": {m: aggregate(values[m], clusters(usable[m]), resamples, seed) for m in scorers},
        "definitions": {name: one.definition for name, one in scorers.items()} | {"tokenization": TOKENIZATION},
        **({"labels": brought} if brought else {}), **({"unscored": unscored} if unscored else {}),
    }  # fmt: skip
    metric = metric_of(scorers, primary)
    body["baselines"], more = {}, []
    if metric:
        body["baselines"], more = baselines(
            closed, clusters(closed), scorers[metric], compared=compared, resamples=resamples, seed=seed
        )
    scores += more
    body["cut"] = {CUT[field]: cut(items, field) for field in CUT if any(getattr(i, field) is not None for i in items)}
    if "answer_tokens" in scorers:
        body["metrics"]["answer_tokens"]["reference"] = mean([float(len(tokenize(i.reference))) for i in closed])
    body["correctness"] = correctness(items, resamples, seed)
    scores += correct_scores(items)
    judge(body, primary, scorers)
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


def measured(scorer: Scorer, items: list[Item], sides: list[str]) -> dict[str, list[float]]:
    """The values of each model's answers to the items. Raises ``TuneloopError`` for a value that is no number."""
    fields = {"model": "answer", "against": "against"}
    found = {side: [float(scorer.score(scored(i, getattr(i, fields[side]) or ""))) for i in items] for side in sides}
    if not all(map(math.isfinite, (value for values in found.values() for value in values))):
        raise TuneloopError(_("the scorer {name!r} gave a value that is not a number").format(name=scorer.name))
    return found


def metric_of(scorers: Mapping[str, Scorer], primary: str) -> str:
    """The metric that baselines are told in: the one that decides, or the first that says what is better; or none."""
    deciding = [name for name, one in scorers.items() if one.more_is_better is not None]
    return primary if primary in deciding else next(iter(deciding), "")


def judge(body: dict[str, Any], primary: str, scorers: Mapping[str, Scorer]) -> None:
    """Say of every difference what may be said: the primary one by its own p-value, all others together by Holm's.

    Adds ``p_adjusted`` and ``verdict`` to each. Of a metric that only describes, nothing is better.
    """
    better = {name: one.more_is_better for name, one in scorers.items()}
    tests = {name: part for name, part in body["metrics"].items() if "p" in part and better[name] is not None}
    differences = body["correctness"]["differences"]
    tests |= {**differences, **body["baselines"]}
    chosen = primary
    if primary == AUTO:
        primary = next((name for name in DECIDES if name in differences), metric_of(scorers, primary))
    body["primary"] = primary
    adjusted = holm({name: part["p"] for name, part in tests.items() if name != primary})
    for name, part in tests.items():
        p = adjusted.get(name, part["p"])
        metric = name if name in better else metric_of(scorers, chosen) if name in body["baselines"] else ""
        sign = -1 if better.get(metric) is False else 1
        part |= {"p_adjusted": p, "verdict": verdict(sign * part["difference"], p)}


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
