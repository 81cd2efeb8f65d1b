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
from tuneloop.store.listing import Listing
from tuneloop.web.paging import SIZE, Paging, page_number
from tuneloop.web.render import FOLDER, STATIC, page, visitor_language
from tuneloop.web.results import loss_chart
from tuneloop.web.visitor import YEAR

LATEST = 10  # runs and artifacts on the first page
STATES = ("queued", "running", "done", "failed", "cancelled")


def check_chosen(name: str, known: Sequence[str], message: str) -> None:
    """Raise ``NotFound`` with the name that was meant, where a list is asked for what there is not."""
    if name and name not in known:
        hint = meant(name, known) or _("Known: {names}.").format(names=joined(known))
        raise NotFound(message.format(name=name), hint=hint)


def router(workspace: Workspace) -> APIRouter:
    """The pages of one workspace, except forms and artifacts."""
    web = APIRouter(include_in_schema=False)
    store, listing = workspace.store, Listing(workspace.store.engine)

    @web.get("/")
    def home(request: Request) -> Response:
        runs, run_count = listing.runs(limit=LATEST)
        artifacts, artifact_count = listing.artifacts(named=True, limit=LATEST)
        return page(
            request, "home.html", stages=stages(), runs=runs, run_count=run_count, artifacts=artifacts,
            artifact_count=artifact_count, part="/part/runs",
        )  # fmt: skip

    @web.get("/part/runs")
    def run_rows(request: Request) -> Response:
        return page(request, "runs.html", runs=listing.runs(limit=LATEST)[0], part="/part/runs")

    @web.get("/runs")
    def list_runs(request: Request, q: str = "", stage: str = "", state: str = "") -> Response:
        asked = {"q": q.strip(), "stage": stage, "state": state}
        check_chosen(state, STATES, _("there is no state {name!r}"))
        number = page_number(request.query_params)
        offset = (number - 1) * SIZE
        runs, count = listing.runs(text=asked["q"], stage=stage, state=state, offset=offset, limit=SIZE)
        if stage and not count:
            find_stage(stage)
        paging = Paging("/runs", asked, number, count)
        return page(
            request, "list_runs.html", runs=runs, paging=paging, asked=asked, stages=list(targets()), states=STATES,
            part=paging.link(number),
        )  # fmt: skip

    @web.get("/artifacts")
    def list_artifacts(request: Request, q: str = "", kind: str = "", named: str = "") -> Response:
        asked = {"q": q.strip(), "kind": kind, "named": named}
        check_chosen(kind, KINDS.names(), _("there is no kind {name!r}"))
        number = page_number(request.query_params)
        found, count = listing.artifacts(
            text=asked["q"], kind=kind, named=bool(named), offset=(number - 1) * SIZE, limit=SIZE
        )
        paging = Paging("/artifacts", asked, number, count)
        return page(request, "list_artifacts.html", artifacts=found, paging=paging, asked=asked, kinds=KINDS.names())

    @web.get("/runs/{run}")
    def show_run(run: str, request: Request) -> Response:
        row = store.runs.get(run)
        metrics = store.runs.metrics(row.id)
        return page(
            request, "run.html", run=row, result=workspace.result(row.id), inputs=store.runs.inputs(row.id),
            metrics=metrics, loss_chart=loss_chart(metrics, visitor_language(request)),
        )  # fmt: skip

    @web.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise NotFound(_("there is no file {name!r}").format(name=name))
        kept = {"Cache-Control": f"max-age={YEAR}, immutable"}  # the pages ask for another edition when it changes
        return FileResponse(FOLDER / "static" / name, media_type=STATIC[name], headers=kept)

    return web
