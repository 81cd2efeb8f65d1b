"""The form of a stage, filled in and sent: to the page of its run, or back with what is wrong at each field."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.registry import find_stage
from tuneloop.runner import Workspace
from tuneloop.stage import Stage
from tuneloop.web import form
from tuneloop.web.bounded import form_fields
from tuneloop.web.render import page
from tuneloop.web.rest import Forbidden, enqueue
from tuneloop.web.seen import seen


def router(workspace: Workspace) -> APIRouter:
    """``/stages/NAME`` to read and to send, and the button that cancels a run."""
    web = APIRouter(include_in_schema=False)

    def shown(request: Request, stage: type[Stage], given: form.Given, status: int = 200) -> Response:
        here = seen(workspace, request)
        fields = form.fields_of(stage)
        return page(
            request, "stage.html", status, stage=stage, fields=fields, given=given, sent=bool(given.values),
            there=form.suggestions(here, fields), endpoints=list(here.store.settings.endpoints),
            other=form.OTHER, output=form.OUTPUT, again=form.AGAIN,
            outside=stage.outside and not request.state.caller.may("admin"),
        )  # fmt: skip

    @web.get("/stages/{name}")
    def show(name: str, request: Request, run: str = "") -> Response:
        stage = find_stage(name)
        row = seen(workspace, request).store.runs.get(run) if run else None
        sent = (
            form.as_sent(form.fields_of(stage), stage.in_full(row.typed))
            if row is not None and row.stage == name
            else {}
        )
        return shown(request, stage, form.Given(sent))

    def submit(request: Request, name: str, sent: dict[str, list[str]]) -> Response:
        stage = find_stage(name)
        given = form.read(stage, sent)
        made = form.check(stage, given, seen(workspace, request))
        if made is None:
            if "" not in given.errors:
                given.errors[""] = _("Nothing was queued: see the fields that are marked.")
            return shown(request, stage, given, 422)
        try:
            again, tag = bool(given.text(form.AGAIN)), given.text(form.OUTPUT).strip()
            result = enqueue(workspace, request, made, name=tag, rerun=again)
        except TuneloopError as error:
            given.errors[""] = str(error)
            return shown(request, stage, given, 403 if isinstance(error, Forbidden) else error.status)
        return RedirectResponse(f"/runs/{result.run}", 303)

    @web.post("/stages/{name}")
    async def send(name: str, request: Request) -> Response:
        from fastapi.concurrency import run_in_threadpool

        return await run_in_threadpool(submit, request, name, await form_fields(request))

    @web.post("/runs/{run}/cancel")
    def cancel(run: str, request: Request) -> Response:
        here = seen(workspace, request)
        row = here.store.runs.get(run)
        here.store.audit.note(request.state.caller.id, "run.cancel", row.id)
        here.cancel(row.id)
        return RedirectResponse(f"/runs/{row.id}", 303)

    return web
