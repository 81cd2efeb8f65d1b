"""What was made, told to a person: the two or three facts of each kind of artifact, laid out in columns.

Programs take the summary itself (``--json``); nothing here is read by one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneloop.cli.formatter import cells
from tuneloop.evaluate import figures
from tuneloop.kinds import facts_of
from tuneloop.language import _, shown
from tuneloop.telling import count, decimal, interval, share


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows as lines whose columns begin (or, for those in ``right``, end) at one place; Chinese is two cells wide."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        padding = [" " * (width - cells(cell)) for width, cell in zip(widths, row, strict=True)]
        parts = [p + c if n in right else c + p for n, (p, c) in enumerate(zip(padding, row, strict=True))]
        lines.append("  ".join(parts).rstrip())
    return lines


Table = tuple[list[list[str]], Sequence[int]]  # rows with the header first, and the columns that end at one place


def tables(summary: dict[str, Any]) -> list[Table]:
    """Right answers, and what was compared by which metric with what may be said of it; or one model's metrics."""
    found = (
        (cell_rows(summary), range(1, 7)), (refusal_rows(summary), range(1, 4)),
        (difference_rows(summary), range(1, 6)), (mean_rows(summary), range(1, 4)),
    )  # fmt: skip
    return [(rows, right) for rows, right in found if len(rows) > 1]


def refusal_rows(summary: dict[str, Any]) -> list[list[str]]:
    said = {
        "refused": _("refused, though the documents answer it"), "answered": _("answered, though the documents do not"),
    }  # fmt: skip
    return [[_("refusals"), _("count"), _("questions"), _("95% interval")]] + [
        [
            _("{label}: {values}").format(label=shown(one.label), values=said[one.kind]),
            count(one.count), count(one.total), interval(one.interval, "{:.1%}"),
        ]
        for one in figures.refusals(summary)
    ]  # fmt: skip


def cell_rows(summary: dict[str, Any]) -> list[list[str]]:
    head = [_("who answered"), _("right"), _("wrong"), _("refused"), _("questions"), _("share"), _("95% interval")]
    return [head] + [
        [
            shown(c.label), count(c.right), count(c.wrong), count(c.refused), count(c.items), share(c.share),
            interval(c.interval, "{:.1%}"),
        ]
        for c in figures.cells(summary)
    ]  # fmt: skip


def difference_rows(summary: dict[str, Any]) -> list[list[str]]:
    """A block for each group of differences under one header; p as it is adjusted, where it is."""
    rows, group = [], ""
    head = [_("model"), _("against"), _("difference"), _("95% interval"), _("p, adjusted"), _("what this shows")]
    found = figures.differences(summary)
    if not any(one.p_adjusted is not None or one.verdict for one in found):  # of a version that did not adjust
        head = [*head[:4], _("p"), ""]
    for one in found:
        if one.group != group:
            rows.append([shown(one.group), *(head if not rows else [""] * len(head))])
            group = one.group
        p = one.p_adjusted if one.p_adjusted is not None else None if one.verdict else one.p
        rows.append([
            shown(one.label), decimal(one.model), decimal(one.against), decimal(one.difference, "+.3f"),
            interval(one.interval), decimal(p, ".4f"), _(", ").join(map(shown, one.words)),
        ])  # fmt: skip
    return rows


def mean_rows(summary: dict[str, Any]) -> list[list[str]]:
    head = [_("metric"), _("model"), _("95% interval"), _("questions")]
    return [head] + [
        [shown(m.label), decimal(m.model), interval(m.interval, "{:.3f}"), count(m.items)]
        for m in figures.means(summary)
    ]


def told(kind: str, summary: dict[str, Any], folder: Path) -> list[str]:
    """The lines that say what an artifact is: its scores as a table, its facts, and the page that shows more."""
    known = [row for row in facts_of(kind, summary, folder) if row[1]]
    page = next((folder / name for name in ("report.html", "chart.svg") if (folder / name).is_file()), None)
    if page:
        known.append((_("report") if page.suffix == ".html" else _("chart"), str(page)))
    lines = []
    for rows, right in tables(summary) if kind == "evaluation" else []:
        lines += [*columns(rows, right=right), ""]
    return lines + columns(known) if known else lines[:-1]
