"""A self-contained page with every item, for people who read answers.

Its own words are there in every language and the reader chooses, so that the page is the same whoever made it; a link
to ``report.html#zh`` opens it in Chinese.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from tuneloop.evaluate import figures
from tuneloop.evaluate.items import Item
from tuneloop.language import LANGUAGES, aside, colon, labelled, shown, speaking, stored, strung
from tuneloop.records import Score

FOUND, NOT_FOUND = stored("same words"), stored("not found")
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Evaluation · 评测</title><style>
body{font:15px/1.6 -apple-system,"Segoe UI","Noto Sans","PingFang SC","Noto Sans CJK SC",sans-serif;
margin:2rem auto;max-width:1100px;padding:0 1rem;color:#17202a}table{border-collapse:collapse;width:100%;font-size:14px}
td,th{border-bottom:1px solid #dfe5eb;padding:6px 10px 6px 0;text-align:left;vertical-align:top}.n{text-align:right}
.scroll{overflow-x:auto}h2{font-size:18px}.soft{color:#5d6b7a}.bad{color:#c0392b}details{margin:.2rem 0}
#zh:checked:not(:target)~main [lang=en],#zh:target:not(:checked)~main [lang=en],
#zh:not(:checked):not(:target)~main [lang=zh],#zh:checked:target~main [lang=zh]{display:none}</style></head><body>
<input type=checkbox id=zh><label for=zh class=soft>中文</label><main>"""

LEARNED = stored("left out, because a model was trained on this question")
REFUSED = stored("refused, though the documents answer it")
ANSWERED = stored("answered, though the documents do not")


def words(text: str) -> str:
    """A text of ours in every language, of which the page shows one."""
    return spoken(lambda: shown(text))


def spoken(write: Callable[[], str]) -> str:
    """What ``write`` gives in every language, of which the page shows one."""
    spans = []
    for language in LANGUAGES:
        with speaking(language):
            spans.append(f"<span lang={language}>{escape(write())}</span>")
    return "".join(spans)


def labels(text: str) -> str:
    """A text of ours before what it labels."""
    return spoken(lambda: shown(text) + colon())


def header(*names: str, numbers: tuple[str, ...] = ()) -> str:
    """The first row of a table; columns of ``numbers`` stand to the right."""
    return "<tr>" + "".join(f"<th{' class=n' * (name in numbers)}>{words(name)}</th>" for name in names) + "</tr>"


def write_page(path: Path, items: list[Item], scores: list[Score], body: dict[str, Any]) -> None:
    """Aggregates first, then a row an item, worst by the first metric first."""
    first = next(iter(body["metrics"]), "rouge_l")
    by_item = {(s.item, s.model): s.value for s in scores if s.metric == first}
    rows = sorted(items, key=lambda i: (by_item.get((i.id, "model"), 2.0), i.id))
    named = figures.labels(body).get(first, first)
    notes = [*figures.notes(body), *figures.unknown(body)]
    parts = [
        HEAD,
        "<h1>" + words(stored("Evaluation")) + "</h1>",
        *(f"<p class=bad>{words(warning)}</p>" for warning in body["warnings"]),
        differences(body), means(body),
        *(f"<p class=soft>{words(note)}</p>" for note in notes),
        cells(body), refusals(body), rates(body), definitions(body),
        "<h2>" + words(stored("Questions and answers")) + "</h2>",
        "<div class=scroll><table>",
        header(stored("question"), stored("reference"), stored("model"), stored("against"),
               named, numbers=(named,)),
        *(item_row(item, by_item) for item in rows),
        "</table></div></main></body></html>\n",
    ]  # fmt: skip
    path.write_text("".join(parts), encoding="utf-8")


def table(head: str, rows: list[str]) -> str:
    """A table; nothing where it has no row."""
    return f"<div class=scroll><table>{head}{''.join(rows)}</table></div>" if rows else ""


def line(label: str, *numbers: str, after: str | None = None) -> str:
    """A row: its label, its numbers, and what stands after them."""
    last = "" if after is None else f"<td>{after}</td>"
    return f"<tr><td>{label}</td>" + "".join(f"<td class=n>{number}</td>" for number in numbers) + f"{last}</tr>"


def decimal(value: float | None, form: str = ".4f") -> str:
    return "–" if value is None else format(value, form)


def ends(interval: figures.Ends, form: str = ".4f", unknown: str = "") -> str:
    """An interval, or that it is not known, and why."""
    if interval:
        return " … ".join(format(end, form) for end in interval)
    return words(figures.NOT_KNOWN) + (f"<br><span class=soft>{words(unknown)}</span>" if unknown else "")


def differences(body: dict[str, Any]) -> str:
    """What was compared, a table for right answers, text metrics, and what needs no training."""
    found, parts = figures.differences(body), []
    names = (
        stored("model"), stored("against"), stored("difference"), stored("95% interval"), stored("p"),
        stored("p, adjusted"), stored("questions"),
    )  # fmt: skip
    for group in dict.fromkeys(one.group for one in found):
        rows = []
        for one in (one for one in found if one.group == group):
            label = words(one.label) + reference(one.reference)
            said = "<br>".join(f"<b>{words(w)}</b>" if w == figures.DECIDES else words(w) for w in one.words)
            numbers = (
                decimal(one.model), decimal(one.against), decimal(one.difference, "+.4f"),
                ends(one.interval, "+.4f", one.unknown), decimal(one.p), decimal(one.p_adjusted), str(one.items),
            )  # fmt: skip
            rows.append(line(label, *numbers, after=said))
        parts.append(table(header(group, *names, stored("what this shows"), numbers=names), rows))
    return "".join(parts)


def reference(length: float | None) -> str:
    return "" if length is None else spoken(lambda: aside(f"{shown(stored('reference'))} {length:.1f}"))


def means(body: dict[str, Any]) -> str:
    """The metrics of a model that was not compared."""
    names = (stored("model"), stored("95% interval"), stored("questions"))
    rows = [
        line(
            words(m.label) + reference(m.reference), decimal(m.model), ends(m.interval, unknown=m.unknown),
            str(m.items),
        )
        for m in figures.means(body)
    ]  # fmt: skip
    return table(header(figures.METRIC, *names, numbers=names), rows)


def cells(body: dict[str, Any]) -> str:
    names = (stored("right"), stored("wrong"), stored("refused"), stored("questions"), stored("share"))
    rows = [
        line(
            words(c.label), str(c.right), str(c.wrong), str(c.refused), str(c.items), f"{100 * c.share:.1f} %",
            ends(c.interval, ".1%"), after=spoken(partial(counted, c.problems)),
        )
        for c in figures.cells(body)
    ]  # fmt: skip
    interval = stored("95% interval")
    head = header(stored("who answered"), *names, interval, stored("why wrong"), numbers=(*names, interval))
    return table(head, rows)


def counted(problems: Sequence[tuple[str, int]]) -> str:
    return strung(f"{shown(name)} {count}" for name, count in problems)


def refusals(body: dict[str, Any]) -> str:
    names = (stored("count"), stored("questions"), stored("95% interval"))
    rows = [
        line(
            labels(r.label) + words(REFUSED if r.kind == "refused" else ANSWERED), str(r.count), str(r.total),
            ends(r.interval, ".1%"),
        )
        for r in figures.refusals(body)
    ]  # fmt: skip
    return table(header(stored("refusals"), *names, numbers=names), rows)


def rates(body: dict[str, Any]) -> str:
    names = (stored("share"), stored("count"), stored("95% interval"))
    rows = [
        line(
            words(r.label), r.text(r.share), decimal(r.count, ""),
            " … ".join(map(r.text, r.interval)) if r.interval else words(figures.NOT_KNOWN),
        )
        for r in figures.rates(body)
    ]  # fmt: skip
    return table(header(stored("retrieval and citations"), *names, numbers=names), rows)


def definitions(body: dict[str, Any]) -> str:
    labels = figures.labels(body)
    named = {str(labels.get(key, key)): text for key, text in body["definitions"].items()}
    told = spoken(lambda: strung(labelled(shown(name), shown(text)) for name, text in named.items()))
    return f"<p class=soft>{told}</p>"


def item_row(item: Item, values: dict[tuple[str, str], float]) -> str:
    numbers = " / ".join(f"{values[key]:.3f}" for side in ("model", "against") if (key := (item.id, side)) in values)
    cited = ""
    if item.cited:
        quotes = "".join(
            f"<li>{labels(FOUND if c.supported else NOT_FOUND)}{escape(c.sentence)} "
            f"<span class=soft>{escape(c.name)}: {escape(c.quote)}</span></li>"
            for c in item.citations
        )
        summary = words(stored("with documents"))
        cited = f"<details><summary class=soft>{summary}</summary>{escape(item.cited)}<ul>{quotes}</ul></details>"
    if item.learned:
        cited += f"<div class=bad>{labels(LEARNED)}{escape(item.learned)}</div>"
    error = "".join(f"<div class=bad>{words(problem)}</div>" for problem in item.error.split("; ") if problem)
    cells = [
        escape(item.question) + cited + error,
        escape(item.reference),
        escape(item.answer or ""),
        escape(item.against or ""),
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + f"<td class=n>{numbers}</td></tr>"
