"""The console: runs, artifacts, and a form for every stage made from its schema. Rendered here, little script."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from tuneloop.access import Verifier
from tuneloop.demo.chart import line_chart
from tuneloop.errors import Denied, NotFound
from tuneloop.language import LANGUAGES, _, shown
from tuneloop.registry import find_stage, stages
from tuneloop.runner import Workspace
from tuneloop.stage import Stage
from tuneloop.web.rest import COOKIE

FOLDER = Path(__file__).parent
SHOWN = 20  # rows that were set aside, and reasons, on the page of an artifact
STATIC = {"console.css": "text/css", "console.js": "text/javascript"}
environment = Environment(
    loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
environment.filters["when"] = lambda seconds: (
    datetime.fromtimestamp(seconds).strftime("%m-%d %H:%M:%S") if seconds else ""
)
environment.filters["label"] = lambda key: key.replace("_", " ")  # to be looked up in the catalogue
environment.filters["number"] = lambda value: (
    value if not isinstance(value, (int, float)) or isinstance(value, bool) else
    f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
)  # fmt: skip
environment.filters["named"] = lambda tag, kind: f"{kind}:{tag}"
environment.filters["shown"] = shown
environment.filters["pretty"] = lambda value: json.dumps(value, ensure_ascii=False, indent=2)


def language_of(request: Request) -> str:
    asked = request.query_params.get("language") or request.headers.get("accept-language", "").split(",")[0]
    return next((name for name in LANGUAGES if asked.lower().startswith(name)), "en")


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    language = language_of(request)
    text = environment.get_template(template).render(t=partial(_, language=language), language=language, **values)
    return HTMLResponse(text, status)


def banner(request: Request, message: str) -> str:
    language = language_of(request)
    return environment.get_template("problem.html").render(
        t=partial(_, language=language), language=language, message=message
    )


def form_fields(stage: type[Stage], workspace: Workspace) -> list[dict[str, Any]]:
    """What the form of a stage shows: from the schema; a reference becomes a list of what there is to refer to."""
    schema, references, found = stage.model_json_schema(), stage.references(), []
    for name, facts in schema.get("properties", {}).items():
        kinds = [facts, *facts.get("anyOf", [])]
        choices = next((k["enum"] for k in kinds if "enum" in k), [])
        kind = next((k["type"] for k in kinds if k.get("type") not in (None, "null")), "string")
        suggestions = []
        if name in references:
            there = workspace.store.artifacts.find(references[name])
            suggestions = [f"{references[name]}:{tag}" for a in there for tag in a.tags]
        found.append({
            "name": name, "description": facts.get("description", ""), "type": kind, "choices": choices,
            "default": facts.get("default"), "required": name in schema.get("required", []), "suggestions": suggestions,
        })  # fmt: skip
    return found


def set_aside(folder: Path, language: str) -> dict[str, Any]:
    """The rows of an artifact that were set aside: how many, the most frequent reasons, and the first ones."""
    import pyarrow.parquet as pq

    path = folder / "rejected.parquet"
    reasons, rows = Counter(), []
    if path.is_file():
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["where", "reason"]):
                reasons.update(batch["reason"].to_pylist())
                rows += batch.slice(0, SHOWN - len(rows)).to_pylist() if len(rows) < SHOWN else []
    frequent = reasons.most_common(SHOWN)
    return {
        "count": reasons.total(), "reasons": [(shown(reason, language), count) for reason, count in frequent],
        "others": reasons.total() - sum(count for _reason, count in frequent),
        "rows": [(row["where"], shown(row["reason"], language)) for row in rows],
    }  # fmt: skip


def loss_chart(metrics: Mapping[str, Sequence[tuple[int | None, float]]], language: str) -> Markup:
    """How the loss went, and that of validation if it was measured, as SVG; empty where there is no curve to draw."""
    t, curves = partial(_, language=language), {}
    for name, label in (("loss", t("training loss")), ("validation_loss", t("validation loss"))):
        points = [(float(step), y) for step, y in metrics.get(name, ()) if step is not None and math.isfinite(y)]
        if len(points) > 1:
            curves[label] = points
        elif name == "loss":
            return Markup()
    return Markup(line_chart(curves, x_title=t("step"), y_title=t("loss")))  # which escapes what it is given


def router(workspace: Workspace, verifier: Verifier | None) -> APIRouter:
    """The pages of one workspace. Without a verifier everybody may read them."""
    web = APIRouter(include_in_schema=False)
    store = workspace.store

    @web.get("/")
    def home(request: Request) -> Response:
        return page(
            request,
            "home.html",
            runs=store.runs.recent(limit=30),
            stages=stages(),
            artifacts=[a for a in store.artifacts.find() if a.tags],
        )

    @web.get("/part/runs")
    def run_rows(request: Request) -> Response:
        return page(request, "runs.html", runs=store.runs.recent(limit=30))

    @web.get("/stages/{name}")
    def stage_form(name: str, request: Request) -> Response:
        stage = find_stage(name)
        return page(request, "stage.html", stage=stage, fields=form_fields(stage, workspace))

    @web.get("/runs/{run}")
    def show_run(run: str, request: Request) -> Response:
        row = store.runs.get(run)
        metrics = store.runs.metrics(row.id)
        return page(
            request, "run.html", run=row, result=workspace.result(row.id), inputs=store.runs.inputs(row.id),
            metrics=metrics, loss_chart=loss_chart(metrics, language_of(request)),
        )  # fmt: skip

    @web.get("/artifacts/{ref}")
    def show_artifact(ref: str, request: Request) -> Response:
        address = store.artifacts.resolve(ref)
        return page(
            request, "artifact.html", artifact=store.artifacts.get(address), up=store.artifacts.ancestry(address),
            down=store.artifacts.ancestry(address, down=True), producers=store.artifacts.producers(address),
            rejected=set_aside(store.artifacts.path(address), language_of(request)),
        )  # fmt: skip

    @web.get("/login")
    def login(request: Request) -> Response:
        return page(request, "login.html")

    @web.post("/login")
    async def enter(request: Request) -> Response:
        key = parse_qs((await request.body()).decode("utf-8", "replace")).get("key", [""])[0]
        try:
            if verifier and not (await asyncio.to_thread(verifier.verify, key.strip())).may("member"):
                return page(request, "login.html", 403, problem="role")
        except Denied as denied:
            return page(request, "login.html", denied.status, problem="key")
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, key.strip(), httponly=True, samesite="strict", max_age=12 * 3600)
        return response

    @web.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise NotFound(_("there is no file {name!r}").format(name=name))
        return FileResponse(FOLDER / "static" / name, media_type=STATIC[name])

    return web
