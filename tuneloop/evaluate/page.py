"""A self-contained page with every item, for people who read answers."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from tuneloop.evaluate.items import Item
from tuneloop.records import Score

HEAD = """<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Evaluation</title><style>
body{font:15px/1.6 -apple-system,"Segoe UI","Noto Sans","PingFang SC","Noto Sans CJK SC",sans-serif;
margin:2rem auto;max-width:1100px;padding:0 1rem;color:#17202a}table{border-collapse:collapse;width:100%;font-size:14px}
td,th{border-bottom:1px solid #dfe5eb;padding:6px 10px 6px 0;text-align:left;vertical-align:top}.n{text-align:right}
.soft{color:#5d6b7a}.bad{color:#c0392b}details{margin:.2rem 0}</style></head><body><h1>Evaluation</h1>"""


def write_page(path: Path, items: list[Item], scores: list[Score], body: dict[str, Any]) -> None:
    """Aggregates first, then a row an item, worst ROUGE-L first."""
    by_item = {(s.item, s.model): s.value for s in scores if s.metric == "rouge_l"}
    rows = sorted(items, key=lambda i: (by_item.get((i.id, "model"), 2.0), i.id))
    parts = [
        HEAD,
        "<table><tr><th>metric</th><th class=n>model</th><th class=n>against</th><th class=n>difference</th>",
        "<th>95% interval</th><th class=n>p</th></tr>",
    ]
    for name, value in body["metrics"].items():
        low, high = value["interval"]
        cells = [name, *(f"{value[k]:.4f}" if k in value else "" for k in ("model", "against", "difference"))]
        cells += [f"{low:+.4f} … {high:+.4f}", f"{value['p']:.4f}" if "p" in value else ""]
        parts.append("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>")
    parts.append(
        "</table><p class=soft>" + escape("; ".join(f"{k}: {v}" for k, v in body["definitions"].items())) + "</p>"
    )
    parts.append(
        "<table><tr><th>question</th><th>reference</th><th>model</th><th>against</th><th class=n>ROUGE-L</th></tr>"
    )
    parts += [item_row(item, by_item) for item in rows]
    path.write_text("".join(parts) + "</table></body></html>\n", encoding="utf-8")


def item_row(item: Item, values: dict[tuple[str, str], float]) -> str:
    numbers = " / ".join(f"{values[key]:.3f}" for side in ("model", "against") if (key := (item.id, side)) in values)
    cited = ""
    if item.cited:
        quotes = "".join(
            f"<li>{'✓' if c.supported else '✗'} {escape(c.sentence)} "
            f"<span class=soft>{escape(c.name)}: {escape(c.quote)}</span></li>"
            for c in item.citations
        )
        cited = f"<details><summary class=soft>with documents</summary>{escape(item.cited)}<ul>{quotes}</ul></details>"
    error = f"<div class=bad>{escape(item.error)}</div>" if item.error else ""
    cells = [
        escape(item.question) + cited + error,
        escape(item.reference),
        escape(item.answer or ""),
        escape(item.against or ""),
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + f"<td class=n>{numbers}</td></tr>"
