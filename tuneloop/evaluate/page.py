"""A self-contained page with every item, for people who read answers.

Its own words are there in every language and the reader chooses, so that the page is the same whoever made it; a link
to ``report.html#zh`` opens it in Chinese.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from tuneloop.evaluate.baselines import TITLES as BASELINES
from tuneloop.evaluate.items import Item
from tuneloop.language import LANGUAGES, shown, stored
from tuneloop.records import Score

FOUND, NOT_FOUND = stored("same words"), stored("not found")
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Evaluation · 评测</title><style>
body{font:15px/1.6 -apple-system,"Segoe UI","Noto Sans","PingFang SC","Noto Sans CJK SC",sans-serif;
margin:2rem auto;max-width:1100px;padding:0 1rem;color:#17202a}table{border-collapse:collapse;width:100%;font-size:14px}
td,th{border-bottom:1px solid #dfe5eb;padding:6px 10px 6px 0;text-align:left;vertical-align:top}.n{text-align:right}
.soft{color:#5d6b7a}.bad{color:#c0392b}details{margin:.2rem 0}
#zh:checked:not(:target)~main [lang=en],#zh:target:not(:checked)~main [lang=en],
#zh:not(:checked):not(:target)~main [lang=zh],#zh:checked:target~main [lang=zh]{display:none}</style></head><body>
<input type=checkbox id=zh><label for=zh class=soft>中文</label><main>"""

DECIDES = stored("decides")
LEARNED = stored("left out, because a model was trained on this question")
DIFFERENCES = {
    "with_documents": stored("right answers, both with the documents"),
    "closed_book": stored("right answers, both without the documents"),
    "documents_for_model": stored("right answers of the model, with the documents and without"),
    "documents_for_against": stored("right answers of the other model, with the documents and without"),
    "model_over_no_model": stored("right answers with the documents, and of no model"),
}
CUT = {
    "model": stored("Answers of the model that were cut at the limit of tokens: {} of {}; not known: {}."),
    "against": stored("Answers of the other model that were cut at the limit of tokens: {} of {}; not known: {}."),
    "cited": stored("Answers from the documents that were cut at the limit of tokens: {} of {}; not known: {}."),
    "against_cited": stored("The same of the other model's answers from the documents: {} of {}; not known: {}."),
}


def words(text: str) -> str:
    """A text of ours in every language, of which the page shows one."""
    return "".join(f"<span lang={language}>{escape(shown(text, language))}</span>" for language in LANGUAGES)


def header(*names: str, numbers: tuple[str, ...] = ()) -> str:
    """The first row of a table; columns of ``numbers`` stand to the right."""
    return "<tr>" + "".join(f"<th{' class=n' * (name in numbers)}>{words(name)}</th>" for name in names) + "</tr>"


def write_page(path: Path, items: list[Item], scores: list[Score], body: dict[str, Any]) -> None:
    """Aggregates first, then a row an item, worst ROUGE-L first."""
    by_item = {(s.item, s.model): s.value for s in scores if s.metric == "rouge_l"}
    rows = sorted(items, key=lambda i: (by_item.get((i.id, "model"), 2.0), i.id))
    parts = [
        HEAD,
        "<h1>" + words(stored("Evaluation")) + "</h1><table>",
        header(
            stored("metric"), stored("model"), stored("against"), stored("difference"), stored("95% interval"), "p",
            stored("p, adjusted"), stored("what this shows"),
            numbers=("model", "against", "difference", "95% interval", "p", "p, adjusted"),
        ),
    ]  # fmt: skip
    for name, value in body["metrics"].items():
        of = f" ({words('reference')} {value['reference']:.1f})" if "reference" in value else ""
        of += f" <b>{words(DECIDES)}</b>" * (name == body["primary"])
        parts.append(row(name + of, value))
    for name, value in body["correctness"]["differences"].items():
        of = f" <b>{words(DECIDES)}</b>" * (name == body["primary"])
        parts.append(row(words(DIFFERENCES[name]) + of, value))
    parts += [row(words(BASELINES[name]), value) for name, value in body["baselines"].items()]
    parts.append("</table>" + "".join(f"<p class=soft>{words(note)}</p>" for note in notes(body)))
    parts.append("".join(f"<p class=bad>{words(warning)}</p>" for warning in body["warnings"]))
    parts.append("<p class=soft>" + "; ".join(f"{k}: {words(v)}" for k, v in body["definitions"].items()))
    parts.append("</p><table>")
    parts.append(header(stored("question"), stored("reference"), "model", "against", "ROUGE-L", numbers=("ROUGE-L",)))
    parts += [item_row(item, by_item) for item in rows]
    path.write_text("".join(parts) + "</table></main></body></html>\n", encoding="utf-8")


def row(name: str, value: dict[str, Any]) -> str:
    """One metric, or one baseline: its means, and what may be said of their difference."""
    interval = "{:+.4f} … {:+.4f}".format(*value["interval"]) if value["interval"] else words(stored("not known"))
    cells = [f"{value[k]:.4f}" if k in value else "" for k in ("model", "against", "difference")]
    cells.append(interval)
    cells += [("–" if value[k] is None else f"{value[k]:.4f}") if k in value else "" for k in ("p", "p_adjusted")]
    said = words(value["verdict"]) if "verdict" in value else ""
    return f"<tr><td>{name}</td>" + "".join(f"<td class=n>{cell}</td>" for cell in cells) + f"<td>{said}</td></tr>"


def notes(body: dict[str, Any]) -> list[str]:
    """How to read the table, and how many answers were cut."""
    found = []
    if any("verdict" in part for part in (*body["metrics"].values(), *body["baselines"].values())):
        found.append(
            stored("One difference decides, by its own p-value; the p-values of all others are adjusted (Holm).")
        )
    found += [
        CUT[field].format(count["cut"], count["answers"], count["unknown"]) for field, count in body["cut"].items()
    ]
    return found


def item_row(item: Item, values: dict[tuple[str, str], float]) -> str:
    numbers = " / ".join(f"{values[key]:.3f}" for side in ("model", "against") if (key := (item.id, side)) in values)
    cited = ""
    if item.cited:
        quotes = "".join(
            f"<li>{words(FOUND if c.supported else NOT_FOUND)}: {escape(c.sentence)} "
            f"<span class=soft>{escape(c.name)}: {escape(c.quote)}</span></li>"
            for c in item.citations
        )
        summary = words(stored("with documents"))
        cited = f"<details><summary class=soft>{summary}</summary>{escape(item.cited)}<ul>{quotes}</ul></details>"
    if item.learned:
        cited += f"<div class=bad>{words(LEARNED)}: {escape(item.learned)}</div>"
    error = "".join(f"<div class=bad>{words(problem)}</div>" for problem in item.error.split("; ") if problem)
    cells = [
        escape(item.question) + cited + error,
        escape(item.reference),
        escape(item.answer or ""),
        escape(item.against or ""),
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + f"<td class=n>{numbers}</td></tr>"
