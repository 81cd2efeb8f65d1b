"""What a person sees while a stage runs: a bar with rate and remaining time, or plain lines without a terminal."""

import json
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import click

from tuneloop.cli.results import told
from tuneloop.language import _, agreeing, aside, joined, labelled, shown
from tuneloop.registry import find_stage, targets
from tuneloop.runner import Account, RunResult
from tuneloop.store import Store
from tuneloop.telling import cut, progressed, took
from tuneloop.typed import as_typed

PLAIN_EVERY = 10.0  # seconds between lines where standard error is not a terminal
SHOWN = 3  # of what was set aside
NAMED = 10  # of what is lost


class Display:
    """``watch`` takes the runner's reports. Use as a context manager."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.live: Any = None
        self.tasks: dict[str, Any] = {}
        self.told: dict[str, float] = {}
        self.started: dict[str, float] = {}

    def __enter__(self) -> "Display":
        if sys.stderr.isatty() and not self.quiet:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (
                SpinnerColumn(), TextColumn("{task.description:<11}"), BarColumn(bar_width=24), TimeElapsedColumn(),
                TextColumn("{task.fields[line]}", style="dim"),
            )  # fmt: skip
            self.live = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def watch(self, report: dict[str, Any]) -> None:
        progress, run, now = report["progress"] or {}, report["run"], time.time()
        line = progressed(progress, now)
        metrics = report.get("metrics") or {}
        if "loss" in metrics:
            line += " · " + _("loss") + f" {metrics['loss']:.3f}"
        if self.live:
            if run not in self.tasks:
                for task in self.tasks.values():
                    self.live.update(task, visible=False)
                self.tasks[run] = self.live.add_task(report["stage"], total=None, line="")
            self.live.update(
                self.tasks[run], completed=progress.get("done") or 0, total=progress.get("total"), line=line
            )
        elif not self.quiet and line and now - self.told.setdefault(run, now) > PLAIN_EVERY:
            self.told[run] = now
            click.echo(f"  {report['stage']}: {line}", err=True)


def number(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def facts(summary: dict[str, Any]) -> str:
    """The plain numbers and words of a summary, on one line."""
    lost, left = apart(summary)
    summary = {**{k: v for k, v in summary.items() if k not in ("rejected", "lost")}, "lost": lost, "set_aside": left}
    summary = {k: v for k, v in summary.items() if v or k not in ("lost", "set_aside")}
    plain = {
        k: v for k, v in summary.items() if isinstance(v, (int, float, str)) and not isinstance(v, bool) and v != ""
    }
    return _(", ").join(
        f"{_(key.replace('_', ' '))} {number(value)}" for key, value in list(plain.items())[:8] if len(str(value)) < 60
    )


def not_kept(summary: dict[str, Any]) -> Iterator[str]:
    """What of the things that were read is in nothing that was made, with how much that is."""
    if left_out := summary.get("left_out"):
        parts = joined(f"{shown(rule)} {number(count)}" for rule, count in most_first(left_out))
        yield _("left out, in characters: {parts}").format(parts=parts)
    if fields := summary.get("not_carried"):
        one, many = _("{field} ({count} row)"), _("{field} ({count} rows)")
        parts = joined(
            agreeing(count, one, many).format(field=cut(field, 40), count=number(count))
            for field, count in most_first(fields)
        )
        yield _("fields not carried: {parts}").format(parts=parts)


def kept_aside(summary: dict[str, Any]) -> Iterator[str]:
    """What was read and not understood, and is kept as it came."""
    if fields := summary.get("extra"):
        parts = joined(f"{cut(field, 40)} {number(count)}" for field, count in most_first(fields))
        yield _("kept as it came, in the column extra: {parts}").format(parts=parts)


def most_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: -pair[1])


def print_result(result: RunResult, *, as_json: bool) -> None:
    """The end of a stage: one JSON object, or what was made, its name, and what is not in it and why."""
    if as_json:
        click.echo(json.dumps(result.as_json(), ensure_ascii=False))
        return
    kind = (result.output or "").partition(":")[0]
    name = f"{kind}:{result.tag}" if result.tag else ""
    time_taken = _("done before, reused") if result.reused else took(result.seconds)
    made = f"{result.stage:<11} {name}  {(result.output or '')[:22]}…  {aside(time_taken).strip()}"
    click.echo(f"{click.style('✓', fg='green')} {made}")
    if result.output:
        for line in told(kind, result.summary, Store().artifacts.path(result.address)):
            click.echo(f"  {line}".rstrip())
    if result.moved:
        click.echo(f"  {result.moved.told()}")
    for line in (*not_kept(result.summary), *kept_aside(result.summary)):
        click.echo(f"  {line}")
    lost, apart_from = left_out_of(result.stage, name or result.output or "", result.lost.count, result.set_aside.count)
    if lost:
        click.echo("  " + lost)
        print_first(result.lost, NAMED)
    if apart_from:
        click.echo("  " + apart_from)
        print_first(result.set_aside, SHOWN)


def left_out_of(stage: str, ref: str, lost: int, left: int) -> tuple[str, str]:
    """A line on what is lost, and one on what was set aside, in the stage's own noun; "" where there is none."""
    noun = _(find_stage(stage).counted if stage in targets() else "rows")
    losing = _("{noun} lost: {count}; see all with: tuneloop show {ref} --rejected")
    setting = _("{noun} set aside: {count}; see all with: tuneloop show {ref} --rejected")
    lines = [
        as_typed(line.format(noun=noun, count=number(count), ref=ref)) if count else ""
        for line, count in ((losing, lost), (setting, left))
    ]
    return lines[0] and click.style(lines[0], fg="yellow"), lines[1]


def apart(summary: dict[str, Any]) -> tuple[int, int]:
    """How much of what went in is lost, and how much was set aside: ``rejected`` counts both."""
    lost = summary.get("lost", 0)
    return lost, max(0, summary.get("rejected", 0) - lost)


def print_first(account: Account, limit: int) -> None:
    for row in account.first[:limit]:
        click.echo("  - " + labelled(cut(row["where"]), cut(shown(row["reason"]))))
