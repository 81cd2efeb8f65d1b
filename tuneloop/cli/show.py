"""``show`` for people: what an artifact or a run is, how it was made, its first rows, and how to see the rest."""

import re
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from pydantic.fields import FieldInfo

from tuneloop.choice import Part
from tuneloop.cli.display import apart, left_out_of, number
from tuneloop.cli.results import columns, told
from tuneloop.errors import told_again
from tuneloop.kinds import KINDS
from tuneloop.language import _, aside, joined
from tuneloop.records import plain_rows
from tuneloop.registry import find_stage, targets
from tuneloop.store import Artifact, Store
from tuneloop.store.runs import LIVE
from tuneloop.telling import cut, part, progressed, size, span
from tuneloop.typed import as_typed


def when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def describe(store: Store, artifact: Artifact, folder: Path, files: dict[str, Any]) -> list[str]:
    """An artifact for people: what it is, how it was made, its first rows, its files, and how to see the rest."""
    address = artifact.address
    names = joined(f"{address.kind}:{name}" for name in artifact.tags)
    rows = [(_("address"), str(address)), (_("made"), when(artifact.created)), (_("folder"), str(folder))]
    if artifact.versions:
        rows.append((_("in the history"), joined(artifact.versions)))
    made_by = ""
    for run in store.artifacts.producers(address):
        made_by = run.stage
        given = " ".join(f"{name}={short(value)}" for name, value in chosen(run).items())
        rows.append((_("made by"), run.stage + aside(_(", ").join((run.id, span(run.seconds))))))
        rows.append((_("with"), cut(given, 400)))
    ref = names.partition(",")[0] or address.short
    parts = [[click.style(names or address.short, bold=True), *indented(columns(rows))]]
    facts = told(address.kind, artifact.summary, folder)
    facts += filter(None, left_out_of(made_by, ref, *apart(artifact.summary)))
    parts.append(indented(facts))
    parts.append(indented(first_rows(address.kind, folder, ref)))
    listed = [(size(file["bytes"]), name) for name, file in list(files.items())[:FILES]]
    if len(files) > FILES:
        more = _("and {count} more: tuneloop show {ref} --json").format(count=len(files) - FILES, ref=ref)
        listed.append(("", as_typed(more)))
    parts.append(indented(columns(listed, right=[0])) if listed else [])
    return [line for part in parts if part for line in [*part, ""]][:-1]


def indented(lines: Iterable[str]) -> list[str]:
    return ["  " + line for line in lines]


def chosen(run: Any, *, all_of_them: bool = False) -> dict[str, Any]:
    """What a run was given; without ``all_of_them`` only what differs from the stage's defaults."""
    stage = find_stage(run.stage) if run.stage in targets() else None
    typed = stage.in_full(run.typed) if stage else run.typed
    given = {name: value for name, value in typed.items() if value not in (None, "", [])}
    if all_of_them or not stage:
        return given
    fields = stage.model_fields
    return {n: v for n, v in given.items() if n not in fields or fields[n].is_required() or v != usual(fields[n])}


def usual(field: FieldInfo) -> Any:
    """What a field is where nothing is said, as a run keeps it."""
    value = field.get_default(call_default_factory=True, validated_data={})
    return value.written() if isinstance(value, Part) else value


def short(value: Any) -> str:
    """A parameter on one line: an address with twelve digits, a long text cut."""
    if isinstance(value, dict):
        return part(value)
    if isinstance(value, list):
        return ",".join(short(v) for v in value[:3]) + (",…" if len(value) > 3 else "")
    return cut(re.sub(r"(:[0-9a-f]{12})[0-9a-f]{52}", r"\1", str(value)), 80)


def first_rows(kind: str, folder: Path, ref: str) -> list[str]:
    """A few rows of the table that people look for first, and how to see all of them."""
    import pyarrow.parquet as pq

    found = KINDS.usable(kind) if kind in KINDS else None
    for table in found.tables if found else ():
        path = table.path(folder)
        if table.line is None or not path.is_file():
            continue
        with pq.ParquetFile(path) as file:
            batch, total = next(iter(file.iter_batches(ROWS)), None), file.metadata.num_rows
        lines = [cut(table.line(row), 160) for row in (plain_rows(batch) if batch is not None else ())]
        if total > ROWS:
            rest = _("… {count} in all: tuneloop show {ref} --rows {table} --limit {count}")
            lines.append(as_typed(rest.format(count=total, ref=ref, table=table.name)))
        return lines
    return []


ROWS, FILES = 3, 8  # shown of an artifact


def describe_run(row: Any, curves: dict[str, Any]) -> list[str]:
    """A run for people: its state, what it was given and made, its numbers, and why it failed."""
    facts_ = [
        (_("stage"), row.stage), (_("state"), _(row.state)), (_("queued at"), when(row.created)),
        (_("took"), span(row.seconds) + (aside(attempts) if (attempts := told_attempts(row.attempts)) else "")),
    ]  # fmt: skip
    for number_, (key, value) in enumerate(chosen(row, all_of_them=True).items()):
        facts_.append(("" if number_ else _("with"), f"{key}={short(value)}"))
    if row.output:
        facts_.append((_("output"), short(row.output) + (aside(row.tag) if row.tag else "")))
    if row.state in LIVE and row.progress:
        facts_.append((_("progress"), progressed(row.progress, time.time())))
    facts_ += [
        (_(name.replace("_", " ")), curve(curves.get(name), value)) for name, value in (row.metrics or {}).items()
    ]
    if any(len(points) > 1 for points in curves.values()):
        facts_.append((_("all points"), as_typed(f"tuneloop show {row.id} --json")))
    if row.error:
        facts_.append((_("error"), as_typed(told_again(row.error))))
    lines = [click.style(row.id, bold=True), *indented(columns(facts_))]
    return lines + str((row.error or {}).get("traceback") or "").splitlines()


def curve(points: list[Any] | None, last: float) -> str:
    """A number; of a curve its first and last point, and how many there are."""
    if not points or len(points) < 2:
        return number(last)
    return f"{number(points[0][1])} → {number(last)} " + _("({count} points)").format(count=len(points))


def told_attempts(attempts: int) -> str:
    return _("{count} attempts").format(count=attempts) if attempts > 1 else ""
