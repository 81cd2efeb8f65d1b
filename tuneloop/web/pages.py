"""The console's pages to read: overview, runs and artifacts. Rendered here, little script."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from tuneloop.errors import NotFound
from tuneloop.kinds import KINDS
from tuneloop.language import _, joined
from tuneloop.nearest import meant
from tuneloop.registry import find_stage, stages, targets
from tuneloop.runner import Workspace
from tuneloop.store.curves import thinned
from tuneloop.store.database import STATES
from tuneloop.web.paging import SIZE, Leafing
from tuneloop.web.render import FOLDER, STATIC, page, visitor_language
from tuneloop.web.results import loss_chart
from tuneloop.web.seen import seen
from tuneloop.web.visitor import YEAR

LATEST = 10  # runs and artifacts on the first page


def check_chosen(name: str, known: Sequence[str], message: str) -> None:
    """Raise ``NotFound`` with the name that was meant, where a list is asked for what there is not."""
    if name and name not in known:
        hint = meant(name, known) or _("Known: {names}.").format(names=joined(known))
        raise NotFound(message.format(name=name), hint=hint)


def router(workspace: Workspace) -> APIRouter:
    """The pages of one workspace, except forms and artifacts."""
    web = APIRouter(include_in_schema=False)

    @web.get("/")
    def home(request: Request) -> Response:
        lists = seen(workspace, request).store.lists
        runs, artifacts = lists.runs(limit=LATEST), lists.artifacts(named=True, limit=LATEST)
        return page(
            request, "home.html", stages=stages(), runs=runs.rows, run_count=runs.count, artifacts=artifacts.rows,
            more_artifacts=bool(artifacts.older), part="/part/runs",
        )  # fmt: skip

    @web.get("/part/runs")
    def run_rows(request: Request) -> Response:
        runs = seen(workspace, request).store.lists.runs(limit=LATEST).rows
        return page(request, "runs.html", runs=runs, part="/part/runs")

    @web.get("/runs")
    def list_runs(request: Request, q: str = "", stage: str = "", state: str = "", cursor: str = "") -> Response:
        asked = {"q": q.strip(), "stage": stage, "state": state}
        check_chosen(state, STATES, _("there is no state {name!r}"))
        lists = seen(workspace, request).store.lists
        runs = lists.runs(text=asked["q"], stage=stage, state=state, cursor=cursor, limit=SIZE)
        if stage and not runs.rows and not cursor:
            find_stage(stage)
        leafing = Leafing("/runs", asked, runs)
        return page(
            request, "list_runs.html", runs=runs.rows, leafing=leafing, asked=asked, stages=list(targets()),
            states=STATES, part=leafing.link(cursor),
        )  # fmt: skip

    @web.get("/artifacts")
    def list_artifacts(
        request: Request, q: str = "", kind: str = "", named: str = "", cursor: str = ""
    ) -> Response:  # fmt: skip
        asked = {"q": q.strip(), "kind": kind, "named": named}
        check_chosen(kind, KINDS.names(), _("there is no kind {name!r}"))
        lists = seen(workspace, request).store.lists
        found = lists.artifacts(text=asked["q"], kind=kind, named=bool(named), cursor=cursor, limit=SIZE)
        return page(
            request, "list_artifacts.html", artifacts=found.rows, leafing=Leafing("/artifacts", asked, found),
            asked=asked, kinds=KINDS.names(),
        )  # fmt: skip

    @web.get("/runs/{run}")
    def show_run(run: str, request: Request, have: int = -1) -> Response:
        """``have``: the last point of the chart that the visitor has: it is drawn anew only where there are more."""
        here = seen(workspace, request)
        row = here.store.runs.get(run)
        curves, newest = here.store.curves.of(row.id)
        drawn = {} if newest == have else {name: thinned(points) for name, points in curves.items()}
        return page(
            request, "run.html", run=row, result=here.result(row.id), inputs=here.store.runs.inputs(row.id),
            metrics={name: (points[-1][1], len(points)) for name, points in curves.items()}, newest=newest,
            same=newest == have, loss_chart=loss_chart(drawn, visitor_language(request)),
        )  # fmt: skip

    @web.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise NotFound(_("there is no file {name!r}").format(name=name))
        kept = {"Cache-Control": f"max-age={YEAR}, immutable"}  # the pages ask for another edition when it changes
        return FileResponse(FOLDER / "static" / name, media_type=STATIC[name], headers=kept)

    return web
