"""What was made, told to a person: the two or three facts of each kind of artifact, laid out in columns.

Programs take the summary itself (``--json``); nothing here is read by one.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tuneloop.cli.formatter import cells
from tuneloop.evaluate import figures
from tuneloop.language import _, agreeing, aside, joined, shown
from tuneloop.loadtest import figures as load
from tuneloop.train.figures import LAST

Row = tuple[str, str]  # label and value

PERCENTILES = ("p50", "p95", "p99")


def count(value: Any) -> str:
    return "–" if value is None else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def share(value: Any) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def seconds(value: Any) -> str:
    return "–" if value is None else f"{1000 * value:.0f} ms" if value < 1 else f"{value:.2f} s"


def size(count: float) -> str:
    """Bytes as people read them: ``51.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def interval(ends: Sequence[float] | None, form: str = "{:+.3f}") -> str:
    return _("{low} to {high}").format(low=form.format(ends[0]), high=form.format(ends[1])) if ends else _("not known")


def most_frequent(counts: dict[str, int], most: int = 6) -> str:
    """``md 3, pdf 1``: the most frequent first."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    rest = [_("and {count} more").format(count=len(ordered) - most)] if len(ordered) > most else []
    return joined([*(f"{name} {count(n)}" for name, n in ordered[:most]), *rest])


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows as lines whose columns begin (or, for those in ``right``, end) at one place; Chinese is two cells wide."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        padding = [" " * (width - cells(cell)) for width, cell in zip(widths, row, strict=True)]
        parts = [p + c if n in right else c + p for n, (p, c) in enumerate(zip(padding, row, strict=True))]
        lines.append("  ".join(parts).rstrip())
    return lines


def documents(summary: dict[str, Any], folder: Path) -> list[Row]:
    return [
        (_("documents"), count(summary.get("documents"))),
        (_("characters"), count(summary.get("characters"))),
        (_("pages"), count(summary["pages"]) if summary.get("pages") else ""),
        (_("types"), most_frequent(summary.get("types") or {})),
        (_("languages"), most_frequent(summary.get("languages") or {})),
    ]


def chunks(summary: dict[str, Any], folder: Path) -> list[Row]:
    lengths = _("{mean} on average, {longest} the longest")
    return [
        (_("chunks"), count(summary.get("chunks"))),
        (_("tokens"), lengths.format(mean=count(summary.get("mean")), longest=count(summary.get("longest")))),
    ]


def index(summary: dict[str, Any], folder: Path) -> list[Row]:
    embedding, dimensions = summary.get("embedding") or "none", summary.get("dimensions")
    vectors = _("none") if embedding == "none" else _("{name}, {count} dimensions")
    one, many = _("{count} from {documents} document"), _("{count} from {documents} documents")
    of = agreeing(summary.get("documents") or 0, one, many)
    return [
        (_("chunks"), of.format(count=count(summary.get("chunks")), documents=count(summary.get("documents")))),
        (_("terms"), count(summary.get("terms"))),
        (_("vectors"), vectors.format(name=embedding, count=count(dimensions))),
    ]


def dataset(summary: dict[str, Any], folder: Path) -> list[Row]:
    examples, whole = count(summary.get("examples")), summary.get("of")
    of = _("{count} of {whole}").format(count=examples, whole=count(whole)) if whole else examples
    format_ = joined(str(summary[k]) for k in ("format", "encoding") if summary.get(k))
    counted = [(key, summary.get(key)) for key in ("pairs", "grounded", "shortened", "unanswerable")]
    return [
        (_("examples"), of),
        *((_(key), count(value)) for key, value in counted if isinstance(value, int) and value),
        (_("format"), format_),
    ]


def model(summary: dict[str, Any], folder: Path) -> list[Row]:
    """A pulled model by what it is, a trained one by its losses, a compressed one by how near it is to its source."""
    kind = " ".join(str(summary[k]) for k in ("format", "quantization") if summary.get(k))
    rows = [
        (_("model"), summary.get("name", "") + aside(kind)),
        (_("parameters"), count(summary["parameters"]) if summary.get("parameters") else ""),
        (_("context length"), count(summary["context_length"]) if summary.get("context_length") else ""),
        (_("licence"), summary.get("licence", "")),
        (_("source"), summary.get("source", "")),
        (_("size"), size(summary["bytes"]) if summary.get("bytes") else ""),
    ]
    if summary.get("steps"):
        learned = _("{examples} examples in {steps} steps, {held} held out")
        held = count(summary.get("held_out"))
        rows.append(
            (
                _("learned"),
                learned.format(examples=count(summary.get("examples")), steps=count(summary["steps"]), held=held),
            )
        )
        last = _("mean of the last {steps} steps").format(steps=min(LAST, summary["steps"]))
        steps = ((_("first step"), first_loss(folder)), (last, summary.get("loss")))
        held_out = (
            (_("before training"), summary.get("validation_loss_before")), (_("after"), summary.get("validation_loss"))
        )  # fmt: skip
        rows += [(_("training loss"), arrow(*steps)), (_("validation loss"), arrow(*held_out))]
    if summary.get("same_token") is not None:
        near = _("{share} the same next token, divergence {divergence}")
        said = near.format(share=share(summary["same_token"]), divergence=count(summary.get("divergence")))
        rows.append((_("against its source"), said))
    return rows


def arrow(*named: tuple[str, float | None]) -> str:
    """``4.120 → 2.310 (first step → last)``, of those that are known."""
    known = [(name, f"{value:.3f}") for name, value in named if value is not None]
    names, values = (" → ".join(part) for part in zip(*known, strict=True)) if known else ("", "")
    return values + aside(names)


def first_loss(folder: Path) -> float | None:
    try:
        return float(json.loads((folder / "training.json").read_text(encoding="utf-8"))["loss"][0][1])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def evaluation(summary: dict[str, Any], folder: Path) -> list[Row]:
    """What stands below the tables (``tables``)."""
    rows = [(_("questions"), count(summary.get("items")))]
    rows += [(shown(one.label), figures.in_words(one)) for one in figures.rates(summary)]
    notes = [*summary.get("warnings", []), *figures.notes(summary)]
    return [
        *rows,
        *((_("not known"), shown(reason)) for reason in figures.unknown(summary)),
        *((_("note"), shown(str(note))) for note in notes),
    ]


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


def decimal(value: Any, form: str = ".3f") -> str:
    return format(value, form) if isinstance(value, (int, float)) else "–"


def loadtest(summary: dict[str, Any], folder: Path) -> list[Row]:
    rates = _("{requests} requests/s, {tokens} tokens/s").format(
        requests=count(summary.get("requests_per_second")), tokens=count(summary.get("output_tokens_per_second"))
    )
    refused = load.refused(summary)
    none = refused and not (summary.get("requests") or {}).get("ok")
    rows = [(_("requests"), load.sent(summary)), (_("answered"), "" if none else rates), (_("refused"), refused)]
    for key, label in (
        ("time_to_first_token", _("time to first token")),
        ("latency", _("latency")),
        ("time_per_output_token", _("time per output token")),
    ):
        values = summary.get(key) or {}
        told = " · ".join(f"{p.upper()} {seconds(values[p])}" for p in PERCENTILES if values.get(p) is not None)
        rows.append((label, load.measured(values, told)))
    good = summary.get("goodput") or {}
    if good.get("share") is not None:
        within = _("{share} within {seconds}")
        limit = seconds(good.get("time_to_first_token_objective"))
        rows.append((_("first token in time"), within.format(share=share(good.get("share")), seconds=limit)))
    return [*rows, (_("errors"), most_frequent(summary.get("errors") or {}))]


# By kind: what the summary of a built-in stage has, and how it is told. A plug-in may make the kind with its own facts.
KINDS: dict[str, tuple[str, Callable[[dict[str, Any], Path], list[Row]]]] = {
    "documents": ("documents", documents), "chunks": ("chunks", chunks), "index": ("chunks", index),
    "dataset": ("examples", dataset), "model": ("name", model), "evaluation": ("metrics", evaluation),
    "loadtest": ("requests", loadtest),
}  # fmt: skip


def plain(summary: dict[str, Any], folder: Path) -> list[Row]:
    """Of a kind that a plug-in makes: its numbers and words as they are."""
    kept = {k: v for k, v in summary.items() if isinstance(v, (int, float, str)) and not isinstance(v, bool)}
    return [
        (_(key.replace("_", " ")), value if isinstance(value, str) else count(value)) for key, value in kept.items()
    ]


def told(kind: str, summary: dict[str, Any], folder: Path) -> list[str]:
    """The lines that say what an artifact is: its scores as a table, its facts, and the page that shows more."""
    key, of_kind = KINDS.get(kind, ("", plain))
    known = [row for row in (of_kind if key in summary else plain)(summary, folder) if row[1]]
    page = next((folder / name for name in ("report.html", "chart.svg") if (folder / name).is_file()), None)
    if page:
        known.append((_("report") if page.suffix == ".html" else _("chart"), str(page)))
    lines = []
    for rows, right in tables(summary) if kind == "evaluation" else []:
        lines += [*columns(rows, right=right), ""]
    return lines + columns(known) if known else lines[:-1]
