"""``report.json`` and a self-contained ``report.html`` of the main job."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from tuneloop import __version__
from tuneloop.address import Address
from tuneloop.charts import interval_chart, line_chart
from tuneloop.demo import beside, evaluation, limits, samples, verdict
from tuneloop.demo.limits import duration
from tuneloop.demo.pipeline import Outcome
from tuneloop.evaluate import figures
from tuneloop.kinds.model import LOSSES, losses
from tuneloop.language import _, aside, shown, speaking, stored
from tuneloop.loadtest import figures as load_figures
from tuneloop.runner import RunResult, Workspace
from tuneloop.typed import as_typed

TOLD_APART = ("rejected", "lost", *LOSSES)  # of a stage's summary
FACTS = (stored("answerable"),)  # names of facts that nothing else says to people


def write_report(workspace: Workspace, outcome: Outcome, folder: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """Write both files into ``folder``, in the language of the documents, and return their paths.

    ``seed`` draws the answers that are shown.
    """
    with speaking(outcome.language):
        body = report(workspace, outcome, seed)
        html = render(workspace, outcome, body)
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / "report.json", folder / "report.html"
    data.write_text(json.dumps(body, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
    page.write_text(html, encoding="utf-8")
    return data, page


def machine() -> str:
    """Cores, memory and processor of this machine, in words."""
    try:
        memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (ValueError, OSError):
        memory = ""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = _("{n} cores").format(n=os.cpu_count())
    return _(", ").join(part for part in (model, cores, memory, platform.system()) if part)


def report(workspace: Workspace, outcome: Outcome, seed: int) -> dict[str, Any]:
    """The object that ``report.json`` holds."""
    results = outcome.results
    train = results.get("train")
    with speaking("en"):  # for programs
        here = machine()
    found = evaluation.sections(workspace, results.get("evaluate"), synthetic=outcome.synthetic, seed=seed)
    return {
        "tuneloop": __version__,
        "name": outcome.name,
        "language": outcome.language,
        "created": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": here,
        "stages": [{"label": label, **r.as_json()} for label, r in results.items()],
        "seconds": round(sum(r.seconds for r in results.values()), 1),
        "peak_memory_mib": max((r.metrics.get("peak_memory_mib", 0.0) for r in results.values()), default=0.0),
        "training": workspace.store.runs.metrics(train.run) if train else {},
        "verdict": verdict.verdict(found["correctness"])["answer"],
        **found,
        "loadtest": results["loadtest"].summary if "loadtest" in results else {},
        "commands": commands(outcome),
    }


def commands(outcome: Outcome) -> list[str]:
    """What to type next, as it works where the demo was started."""
    name, made = outcome.name, outcome.results.get("synthesize")
    written = made.address.short if made and made.output else f"dataset:{name}"  # a split may have the name by now
    given = " ".join(f"--{field.replace('_', '-')} {value}" for field, value in outcome.recipe.evaluate.items())
    lines = [
        f"tuneloop serve model:{name}-q8_0 --knowledge index:{name} --no-auth",
        f"tuneloop lineage model:{name}-q8_0",
        f"tuneloop show {written} --rejected",
        f"tuneloop evaluate model:{name}-q8_0 dataset:{name}-exam --against model:{outcome.base}-q8_0 "
        f"--knowledge index:{name} {given}",  # what the report asks, and not another question
        "tuneloop ls",
    ]
    return [as_typed(line) for line in lines]


def stage_rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for stage in body["stages"]:
        plain = {
            k: v for k, v in stage["summary"].items()
            if isinstance(v, (int, float)) and not isinstance(v, bool) and k not in TOLD_APART
        }  # fmt: skip
        rows.append({
            "label": _(stage["label"]), "time": duration(stage["seconds"]) + (" ↺" if stage["reused"] else ""),
            "artifact": (stage["output"] or "")[:22],
            "facts": _(", ").join(fact(k, v) for k, v in list(plain.items())[:5]),
            "lost": stage["lost"]["count"], "set_aside": stage["set_aside"]["count"],
        })  # fmt: skip
    return rows


def peak_memory(body: dict[str, Any]) -> str:
    """The stage that held most memory, with how much."""
    known = {s["label"]: s["metrics"].get("peak_memory_mib", 0.0) for s in body["stages"]}
    if not any(known.values()):
        return ""
    label = max(known, key=lambda name: known[name])
    return _("{stage}, {memory} MiB").format(stage=_(label), memory=f"{known[label]:,.0f}")


def fact(key: str, value: float) -> str:
    shown = f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
    return f"{_(key.replace('_', ' '))} {shown}"


def headline(body: dict[str, Any]) -> list[str]:
    """What the terminal says at the end: the question, the verdict, the cells, the refusals and notes, a line each."""
    found = body.get("correctness") or {}
    answer = verdict.verdict(found)
    lines = [verdict.question(), _("{label}: {values}").format(label=answer["word"], values=answer["why"])]
    columns = (_("without documents"), _("with documents"))
    for row in verdict.cell_rows(found):
        told = [
            f"{column} {cell['text']}" + aside(cell["between"])
            for column, cell in zip(columns, row["cells"], strict=True) if cell
        ]  # fmt: skip
        lines.append(_("{label}: {values}").format(label=row["label"], values=_(", ").join(told)))
    refused, answered = _("refused, though the documents answer it"), _("answered, though the documents do not")
    for row in verdict.refusal_rows(found):
        values = _(", ").join((f"{refused} {row['refused']}", f"{answered} {row['answered']}"))
        lines.append(_("{label}: {values}").format(label=row["label"], values=values))
    return [*lines, *filter(None, [limits.asked_note(found)]), *beside.notes(body)]


def load_rows(load: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [(_("requests"), load_figures.sent(load))]
    if (load.get("requests") or {}).get("ok"):
        rows.append((_("answered each second"), f"{load.get('requests_per_second') or 0.0:.2f}"))
    for key, label in (
        ("time_to_first_token", _("time to first token")),
        ("latency", _("latency from the intended start")),
    ):
        values = load.get(key) or {}
        told = " · ".join(
            f"{p.upper()} {duration(values[p])}" for p in ("p50", "p90", "p99") if values.get(p) is not None
        )
        if told:
            rows.append((label, load_figures.measured(values, told)))
    return rows


def training_note(workspace: Workspace, outcome: Outcome) -> str:
    train = outcome.results.get("train")
    if not train:
        return ""
    parts = [_("{label}: {values}").format(label=name, values=f"{value:.3f}") for name, value in losses(train.summary)]
    parts += [f"{_(k.replace('_', ' '))} {v:,.4g}" for k, v in train.metrics.items() if k in (
        "tokens_per_second", "learned_tokens_per_second", "peak_memory_mib")]  # fmt: skip
    return " · ".join(parts)


def render(workspace: Workspace, outcome: Outcome, body: dict[str, Any]) -> str:
    """The page. Everything it needs is inside it."""
    from jinja2 import Environment, FileSystemLoader, select_autoescape
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["html"]))
    curves = {
        label: [(float(step), value) for step, value in body["training"].get(name, []) if step is not None]
        for name, label in (("loss", _("training loss")), ("validation_loss", _("validation loss")))
    }
    forest = _("tuned minus base, with 95% intervals")
    exam, found = body.get("exam") or {}, body.get("correctness") or {}
    chart = ""
    load = outcome.results.get("loadtest")
    if load and load.output:
        svg = workspace.store.artifacts.path(Address.parse(load.output)) / "chart.svg"
        chart = svg.read_text(encoding="utf-8") if svg.is_file() else ""
    return environment.get_template("report.html").render(
        t=_, language="zh-CN" if outcome.language == "zh" else "en", name=outcome.name, created=body["created"],
        machine=machine(), version=__version__, question=verdict.question(), verdict=verdict.verdict(found),
        alone=verdict.without_a_model(found), cells=verdict.cell_rows(found), cells_note=limits.cells_note(found),
        notes=beside.notes(body), unknown=unknown(body),
        differences=verdict.differences(found, body.get("primary", "")),
        refusals=verdict.refusal_rows(found), cost=limits.cost(body, machine()),
        limits=limits.limits(body), samples=body.get("samples") or {}, samples_note=limits.samples_note(body),
        told=samples.told, short=samples.short, stages=stage_rows(body),
        total=duration(body["seconds"]), peak_memory=peak_memory(body), reused=any(s["reused"] for s in body["stages"]),
        loss_chart=Markup(line_chart({k: v for k, v in curves.items() if v}, x_title=_("step"), y_title=_("loss"))),
        training_note=training_note(workspace, outcome), exam=exam, exam_table=evaluation.exam_table(body),
        interval_chart=Markup(interval_chart(evaluation.intervals(body), title=forest) if exam else ""),
        exam_note=evaluation.exam_note(exam), warnings=[shown(w) for w in exam.get("warnings", [])],
        retrieval=evaluation.retrieval_rows(body),
        loadtest=load_rows(body["loadtest"]) if body["loadtest"] else [],
        load_note=load_figures.refused(body["loadtest"]), loadtest_chart=Markup(chart), commands=body["commands"],
    )  # fmt: skip


def unknown(body: dict[str, Any]) -> list[str]:
    """Why intervals of text metrics are not known; that of right answers stands beside each difference."""
    groups = (figures.METRIC, figures.UNTRAINED)
    return [shown(reason) for reason in figures.unknown(evaluation.summary_of(body), groups)]


def table(outcome: Outcome) -> list[list[str]]:
    """The stages as rows for the terminal."""

    def row(label: str, result: RunResult) -> list[str]:
        return [
            _(label),
            duration(result.seconds) + (" ↺" if result.reused else ""),
            (result.output or "")[:22],
            str(result.lost.count or ""),
            str(result.set_aside.count or ""),
        ]

    return [row(label, result) for label, result in outcome.results.items()]
