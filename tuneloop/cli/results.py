"""What was made, told to a person: the two or three facts of each kind of artifact, laid out in columns.

Programs take the summary itself (``--json``); nothing here is read by one.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tuneloop.cli.formatter import cells
from tuneloop.language import _, aside, joined, shown

Row = tuple[str, str]  # label and value

METRICS = {
    "rouge_l": "ROUGE-L F1", "rouge_l_recall": "ROUGE-L recall", "bleu_4": "BLEU-4", "token_f1": "F1",
    "exact_match": "EM",
}  # fmt: skip
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
    of = _("{count} from {documents} documents")
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
        rows += [(_("loss"), arrow(first_loss(folder), summary.get("loss")))]
        rows += [(_("validation loss"), arrow(summary.get("validation_loss_before"), summary.get("validation_loss")))]
    if summary.get("same_token") is not None:
        near = _("{share} the same next token, divergence {divergence}")
        said = near.format(share=share(summary["same_token"]), divergence=count(summary.get("divergence")))
        rows.append((_("against its source"), said))
    return rows


def arrow(first: float | None, last: float | None) -> str:
    """``4.120 → 2.310``; the last alone where the first is not known."""
    return " → ".join(f"{value:.3f}" for value in (first, last) if value is not None)


def first_loss(folder: Path) -> float | None:
    try:
        return float(json.loads((folder / "training.json").read_text(encoding="utf-8"))["loss"][0][1])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def evaluation(summary: dict[str, Any], folder: Path) -> list[Row]:
    """What stands beside the table of scores (``scores``)."""
    found, cited = summary.get("retrieval") or {}, summary.get("citations") or {}
    refused = summary.get("abstention") or {}
    rows = [(_("questions"), count(summary.get("items")))]
    if found.get("items"):
        between = found.get("hit@5_interval")
        text = share(found.get("hit@5")) + (aside(interval(between, "{:.1%}")) if between else "")
        rows.append((_("right page among the first 5 passages"), text))
    if cited.get("items"):
        between = cited.get("supported_share_interval")
        text = share(cited.get("supported_share")) + (aside(interval(between, "{:.1%}")) if between else "")
        rows.append((_("sentences with the same words as a passage"), text))
    if refused.get("unanswerable_items"):
        counts = _("{share} of {count}")
        text = counts.format(share=share(refused["refused_when_unanswerable"]), count=refused["unanswerable_items"])
        rows.append((_("refused, where the documents do not answer"), text))
    return rows + [(_("note"), shown(str(warning))) for warning in summary.get("warnings") or []]


def scores(summary: dict[str, Any]) -> list[list[str]]:
    """The metrics with their intervals: header, then a row a metric; compared with another model where there is one."""
    metrics = {name: value for name, value in (summary.get("metrics") or {}).items() if isinstance(value, dict)}
    compared = any("against" in value and "difference" in value for value in metrics.values())
    head = [_("metric"), _("model"), *([_("against"), _("difference")] if compared else []), _("95% interval")]
    rows = [[*head, "p"] if compared else head]
    for name in sorted(metrics, key=lambda name: [*METRICS, name].index(name)):
        value = metrics[name]
        if name not in METRICS and "interval" not in value:
            continue
        row = [METRICS.get(name, _(name.replace("_", " "))), decimal(value.get("model"))]
        if compared:
            row += [decimal(value.get("against")), decimal(value.get("difference"), "+.3f")]
        row.append(interval(value.get("interval"), "{:+.3f}" if compared else "{:.3f}"))
        rows.append([*row, decimal(value.get("p"), ".4f")] if compared else row)
    return rows if len(rows) > 1 else []


def decimal(value: Any, form: str = ".3f") -> str:
    return format(value, form) if isinstance(value, (int, float)) else "–"


def loadtest(summary: dict[str, Any], folder: Path) -> list[Row]:
    sent = summary.get("requests") or {}
    text = _("{sent} sent, {ok} answered, {failed} failed, {open} unfinished").format(
        sent=count(sent.get("sent", 0)), ok=count(sent.get("ok", 0)), failed=count(sent.get("failed", 0)),
        open=count(sent.get("in_flight", 0)),
    )  # fmt: skip
    rates = _("{requests} requests/s, {tokens} tokens/s").format(
        requests=count(summary.get("requests_per_second")), tokens=count(summary.get("output_tokens_per_second"))
    )
    rows = [(_("requests"), text), (_("answered"), rates)]
    for key, label in (
        ("time_to_first_token", _("time to first token")),
        ("latency", _("latency")),
        ("time_per_output_token", _("time per output token")),
    ):
        values = summary.get(key) or {}
        told = " · ".join(f"{p.upper()} {seconds(values[p])}" for p in PERCENTILES if values.get(p) is not None)
        rows.append((label, told))
    good = summary.get("goodput") or {}
    if good:
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
    table = scores(summary) if kind == "evaluation" else []
    between = [""] if table and known else []
    lines = [*columns(table, right=range(1, len(table[0]))), *between] if table else []
    return lines + (columns(known) if known else [])
