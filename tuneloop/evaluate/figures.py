"""The figures of an evaluation, as every surface tells them: labels, and what may be said beside each.

It reads the summary of a stage, or ``evaluation.json``, of this version or an older one: what is missing there is left
out here. Texts are English and marked for the catalogue; whoever shows them translates them (``language.shown``). The
word for a difference is the one that ``comparison.verdict`` gave it when it was tested; none is made from an interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneloop.evaluate.scorers import BUILT_IN, label_of
from tuneloop.language import _, aside, stored, strung

Body = Mapping[str, Any]
Ends = tuple[float, float] | list[float] | None

GROUPS = (stored("right answers"), stored("metric"), stored("without any training"))
RIGHT, METRIC, UNTRAINED = GROUPS
DIFFERENCES = {
    "with_documents": stored("both with the documents"),
    "closed_book": stored("both without the documents"),
    "documents_for_model": stored("model: with the documents, and without"),
    "documents_for_against": stored("other model: with them, and without"),
    "model_over_no_model": stored("model with the documents, and no model"),
}
BASELINES = {
    "echo": stored("the question, repeated as the answer"),
    "first_sentence": stored("the first sentence of the other model's answer"),
}
CELLS = {  # who answered, and from what
    "against": stored("other model, closed book"), "answer": stored("model, closed book"),
    "against_cited": stored("other model, with documents"), "cited": stored("model, with documents"),
    "sentence": stored("no model: the first sentence that is found"),
}  # fmt: skip
PROBLEMS = {
    "words": stored("does not say what was asked"), "code": stored("command or name missing"),
    "number": stored("number missing or another"), "opposite": stored("says the opposite"),
    "empty": stored("no answer"),
}  # fmt: skip
CUT = {
    "model": stored("Answers of the model that were cut at the limit of tokens: {} of {}; not known: {}."),
    "against": stored("Answers of the other model that were cut at the limit of tokens: {} of {}; not known: {}."),
    "cited": stored("Answers from the documents that were cut at the limit of tokens: {} of {}; not known: {}."),
    "against_cited": stored("The same of the other model's answers from the documents: {} of {}; not known: {}."),
}
ONE_DECIDES = stored("One difference decides, by its own p-value; the p-values of all others are adjusted (Holm).")
APART = stored(
    "The shares without the documents ({}) and those with them ({}) are not of the same questions: compare them only "
    "by the differences that say so, over the {} questions asked both ways."
)
APART_WHOLLY = stored(
    "The shares without the documents ({}) and those with them ({}) are not of the same questions, and no question was "
    "asked both ways: do not compare them."
)
TOGETHER = stored("The shares without the documents and those with them are of the same {} questions.")
DECIDES = stored("decides")
NOT_KNOWN = stored("not known")
NONE_LEARNED = stored(
    "As far as the comparison of questions can tell, no question of the exam is one that a model was trained on."
)
RATES = (  # part of the summary, key, label, and the key of how many there are
    ("retrieval", "hit@5", stored("right page among the first 5 passages"), "items"),
    ("retrieval", "hit@1", stored("right page first"), "items"),
    ("retrieval", "mrr@5", stored("mean reciprocal rank"), "items"),
    ("citations", "supported_share", stored("sentences with the same words as a passage"), "sentences"),
    ("citations", "from_the_right_page", stored("of those, from the right page"), "right_page_sentences"),
    ("citations", "answered_when_answerable", stored("answered, where the documents answer"), "answerable_items"),
    ("citations", "refused_when_unanswerable", stored("refused, where the documents do not answer"),
     "unanswerable_items"),
    ("abstention", "answered_when_answerable", stored("let through by the search, where the documents answer"),
     "answerable_items"),
    ("abstention", "refused_when_unanswerable", stored("stopped by the search, where the documents do not answer"),
     "unanswerable_items"),
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """Two means and what their difference shows; numbers that an older version did not keep are None."""

    group: str
    key: str
    label: str
    model: float | None
    against: float | None
    difference: float | None
    interval: Ends
    p: float | None
    p_adjusted: float | None  # as ``p`` where the difference decides; None also where nothing was adjusted
    verdict: str  # "" where the difference only describes, or was made before there was one rule
    decides: bool
    items: int | None
    clusters: int | None
    reference: float | None
    unknown: str

    @property
    def words(self) -> list[str]:
        """What it shows, and whether it is the one that decides."""
        return [word for word in (self.verdict, DECIDES * self.decides) if word]


@dataclass(frozen=True)
class Mean:
    """The mean of one model alone by one metric."""

    key: str
    label: str
    model: float | None
    interval: Ends
    items: int | None
    reference: float | None
    unknown: str


@dataclass(frozen=True)
class Cell:
    """How the answers of one model in one way were held against their references."""

    key: str
    label: str
    right: int
    wrong: int
    refused: int
    items: int
    share: float
    interval: Ends
    problems: list[tuple[str, int]]


@dataclass(frozen=True)
class Refusal:
    """How many of ``total`` were refused though answerable (``kind`` "refused"), or answered though not."""

    key: str
    label: str
    kind: str
    count: int
    total: int
    interval: Ends


@dataclass(frozen=True)
class Rate:
    """A share with its interval and of how many it is; None where an older version did not keep it."""

    key: str
    label: str
    share: float
    interval: Ends
    count: int | None

    def text(self, value: float) -> str:
        """A share in percent; the mean of reciprocal ranks is none."""
        return f"{value:.3f}" if self.key.endswith("mrr@5") else f"{100 * value:.1f} %"


def part(body: Body, *names: str) -> dict[str, Any]:
    """A mapping inside others; empty where it is missing or something else."""
    found: Any = body
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def mappings(body: Body, *names: str) -> dict[str, dict[str, Any]]:
    """The mappings inside one, by their keys; metrics in the order in which they are told."""
    found = {key: dict(value) for key, value in part(body, *names).items() if isinstance(value, Mapping)}
    order = list(BUILT_IN)
    return dict(sorted(found.items(), key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order)))


def labels(body: Body) -> dict[str, str]:
    """What each metric of an evaluation is called."""
    return {name: label_of(name, part(body, "labels")) for name in mappings(body, "metrics")}


def differences(body: Body) -> list[Difference]:
    """Every difference that was tested or described, the group with the one that decides first."""
    sources: tuple[tuple[str, Mapping[str, str], dict[str, dict[str, Any]]], ...] = (
        (RIGHT, DIFFERENCES, mappings(body, "correctness", "differences")),
        (METRIC, labels(body), mappings(body, "metrics")),
        (UNTRAINED, BASELINES, mappings(body, "baselines")),
    )
    primary = body.get("primary", "")
    found = [
        difference(group, key, named.get(key, key.replace("_", " ")), facts, decides=key == primary)
        for group, named, all_of in sources
        for key, facts in all_of.items()
        if "difference" in facts
    ]
    first = next((one.group for one in found if one.decides), "")
    return sorted(found, key=lambda one: one.group != first)


def difference(group: str, key: str, label: str, facts: dict[str, Any], *, decides: bool) -> Difference:
    return Difference(
        group, key, label, facts.get("model"), facts.get("against"), facts.get("difference"), facts.get("interval"),
        facts.get("p"), facts.get("p_adjusted"), facts.get("verdict", ""), decides, facts.get("items"),
        facts.get("clusters"), facts.get("reference"), facts.get("unknown", ""),
    )  # fmt: skip


def means(body: Body) -> list[Mean]:
    """The metrics of a model that was not compared with another."""
    named = labels(body)
    return [
        Mean(
            key, named[key], facts.get("model"), facts.get("interval"), facts.get("items"),
            facts.get("reference"), facts.get("unknown", ""),
        )
        for key, facts in mappings(body, "metrics").items()
        if "difference" not in facts and "model" in facts
    ]  # fmt: skip


def cells(body: Body) -> list[Cell]:
    """Right, wrong and refused, of each model without the documents and with them, and of no model."""
    return [
        Cell(
            key, CELLS.get(key, key), c["right"], c["wrong"], c["refused"], c["items"], c["share"], c.get("interval"),
            problems(c.get("problems", {})),
        )
        for key, c in mappings(body, "correctness", "cells").items()
    ]  # fmt: skip


def problems(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Why answers were wrong, the most frequent first."""
    return [(PROBLEMS.get(key, key), count) for key, count in sorted(counts.items(), key=lambda pair: -pair[1])]


def refusals(body: Body) -> list[Refusal]:
    """Of each way to answer: refused of what the documents answer, and answered of what they do not, if asked."""
    return [
        Refusal(key, CELLS.get(key, key), kind, facts[kind], facts[of], facts.get(f"{kind}_interval"))
        for key, facts in mappings(body, "correctness", "refusals").items()
        for kind, of in (("refused", "answerable"), ("answered", "unanswerable"))
        if facts.get(of)
    ]


def rates(body: Body) -> Iterator[Rate]:
    """What was found, cited and refused, as shares."""
    for name, key, label, of in RATES:
        facts = part(body, name)
        value, count = facts.get(key), facts.get(of)
        if count is None and of == "answerable_items" and "unanswerable_items" in facts:
            count = facts.get("items", 0) - facts["unanswerable_items"]
        if isinstance(value, (int, float)):
            yield Rate(f"{name}/{key}", label, value, facts.get(f"{key}_interval"), count)


def unknown(body: Body, groups: Sequence[str] = GROUPS) -> list[str]:
    """Why intervals are not known: each reason with what it holds for, where that is not all of the comparisons.

    Of a model alone there is no group, and its means are told with the metrics'. What an older version put among the
    warnings is not said twice.
    """
    warned = set(body.get("warnings") or ())
    means_of = means(body) if METRIC in groups else []
    everything = [*(one for one in differences(body) if one.group in groups), *means_of]
    labels: dict[str, list[str]] = {}
    for one in everything:
        if one.unknown and one.unknown not in warned:
            labels.setdefault(one.unknown, []).append(one.label)
    every = len(differences(body)) + len(means(body))
    return [
        reason if len(found) == every else f"{reason} ({'; '.join(found)})" for reason, found in labels.items()
    ]  # fmt: skip


def notes(body: Body) -> list[str]:
    """How to read the differences, how many answers were cut, and that nothing of the exam was learned, if so."""
    found = [ONE_DECIDES] if any(one.decides for one in differences(body)) else []
    found += filter(None, [asked(body)])
    found += cut_notes(body)
    learned = part(body, "learned")
    if learned and not learned.get("count") and not learned.get("gone"):
        found.append(NONE_LEARNED)
    return found


def asked(body: Body) -> str:
    """Whether the answers without the documents and those with them are of the same questions, for a model that has
    both; "" where none has."""
    counts = {cell.key: cell.items for cell in cells(body)}
    ways = (("answer", "cited", "documents_for_model"), ("against", "against_cited", "documents_for_against"))
    pair = next((way for way in ways if counts.keys() >= set(way[:2])), None)
    if not pair:
        return ""
    closed, cited = counts[pair[0]], counts[pair[1]]
    both = part(body, "correctness", "differences", pair[2]).get("items", 0)
    if closed == cited == both:
        return TOGETHER.format(both)
    return APART.format(closed, cited, both) if both else APART_WHOLLY.format(closed, cited)


def cut_notes(body: Body) -> list[str]:
    """How many answers ended at the limit of tokens, a sentence a way to answer."""
    counts = mappings(body, "cut")
    return [CUT[key].format(c["cut"], c["answers"], c["unknown"]) for key, c in counts.items() if key in CUT]


def in_words(rate: Rate) -> str:
    """``90.0 % (80.0 % to 97.0 %; n = 30)``, in the user's language."""
    ends = _("not known")
    if rate.interval:
        low, high = map(rate.text, rate.interval)
        ends = _("{low} to {high}").format(low=low, high=high)
    of = [f"n = {rate.count:,}"] if rate.count is not None else []
    return rate.text(rate.share) + aside(strung([ends, *of]))
