"""``/api``: one POST a stage, made from its class; runs, artifacts and lineage to read."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from pydantic import AfterValidator

from tuneloop.errors import TuneloopError
from tuneloop.kinds import KINDS
from tuneloop.language import _, joined
from tuneloop.registry import stages
from tuneloop.runner import RunResult, Workspace
from tuneloop.stage import Stage
from tuneloop.store import Artifact, as_json
from tuneloop.store.listing import Listing
from tuneloop.web.paging import FARTHEST
from tuneloop.web.replies import (
    ArtifactReply,
    Cancelled,
    Edge,
    Lineage,
    Progress,
    Run,
    RunDetail,
    StageReply,
    State,
    TrafficReply,
)
from tuneloop.web.visitor import KEY


def known_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(_("kinds are {kinds}").format(kinds=joined(KINDS.names())))
    return kind


KnownKind = Annotated[str, AfterValidator(known_kind)]


class Forbidden(TuneloopError):
    """The caller's role is not enough."""

    status = 403


def need(request: Request, role: str) -> None:
    if not request.state.caller.may(role):
        raise Forbidden(
            _("this needs a key with the role {role}").format(role=role),
            hint=_("Make one with: tuneloop key create NAME --role {role}").format(role=role),
        )


def as_run(result: RunResult) -> Run:
    return Run(**result.as_json())


def keys() -> list[Any]:
    """How a caller gives a key, for the description alone: the application looks at it before any route is found."""
    bearer = HTTPBearer(auto_error=False, description="A key made with: tuneloop key create NAME --role member")
    cookie = APIKeyCookie(name=KEY, auto_error=False, description="The same key, as the login page sets it.")
    return [Depends(bearer), Depends(cookie)]


def router(workspace: Workspace) -> APIRouter:
    """All routes of one workspace."""
    api = APIRouter(prefix="/api")
    for stage in stages().values():
        add_stage(api, workspace, stage)

    @api.get("/stages", tags=["stages"])
    def list_stages() -> list[StageReply]:
        """Every stage with the JSON schema of its parameters."""
        return [
            StageReply(name=s.name, makes=s.makes, description=(s.__doc__ or "").strip(), schema=s.model_json_schema())
            for s in stages().values()
        ]

    @api.get("/runs", tags=["runs"])
    def list_runs(
        limit: Annotated[int, Query(ge=1, le=1000)] = 50, state: State | None = None,
        offset: Annotated[int, Query(ge=0, le=FARTHEST)] = 0,
    ) -> list[Run]:  # fmt: skip
        """Runs, newest first, from the one numbered ``offset`` on."""
        rows, _count = Listing(workspace.store.engine).runs(state=state or "", offset=offset, limit=limit)
        return [as_run(result) for result in workspace.results(rows)]

    @api.get("/runs/{run}", tags=["runs"])
    def get_run(run: str) -> RunDetail:
        """One run with its progress."""
        row = workspace.store.runs.get(run)
        progress = Progress(**row.progress) if row.progress else None
        return RunDetail(
            **workspace.result(row.id).as_json(), progress=progress, params=row.typed, attempts=row.attempts
        )

    @api.get("/runs/{run}/metrics", tags=["runs"])
    def get_metrics(run: str) -> dict[str, list[tuple[int | None, float]]]:
        """Every metric of a run as ``[[step, value], …]``."""
        return workspace.store.runs.metrics(workspace.store.runs.get(run).id)

    @api.post("/runs/{run}/cancel", tags=["runs"])
    def cancel_run(run: str, request: Request) -> Cancelled:
        """Ask a run to stop."""
        need(request, "member")
        row = workspace.store.runs.get(run)
        workspace.store.traffic.note(request.state.caller.id, "run.cancel", row.id)
        return Cancelled(run=row.id, state=workspace.cancel(row.id))  # type: ignore[arg-type]

    @api.get("/artifacts", tags=["artifacts"])
    def list_artifacts(kind: KnownKind | None = None) -> list[ArtifactReply]:
        """Artifacts, newest first."""
        return [describe(a) for a in workspace.store.artifacts.find(kind)]

    @api.get("/artifacts/{ref}", tags=["artifacts"])
    def get_artifact(ref: str) -> ArtifactReply:
        """One artifact, by its address or name."""
        return describe(workspace.store.artifacts.get(workspace.store.artifacts.resolve(ref)))

    @api.get("/artifacts/{ref}/lineage", tags=["artifacts"])
    def get_lineage(ref: str, down: bool = False) -> Lineage:
        """What an artifact was made from, or (``down``) what was made from it."""
        address = workspace.store.artifacts.resolve(ref)
        edges = workspace.store.artifacts.ancestry(address, down=down)
        found = [Edge.model_validate({"from": near, "stage": stage, "to": far}) for near, stage, far in edges]
        return Lineage(artifact=str(address), edges=found)

    @api.get("/traffic", tags=["traffic"])
    def get_traffic(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> list[TrafficReply]:
        """The requests that the gateway answered, newest first."""
        need(request, "admin")
        return [TrafficReply(**row) for row in as_json(workspace.store.traffic.requests(limit=limit))]

    return api


def add_stage(api: APIRouter, workspace: Workspace, stage: type[Stage]) -> None:
    """``POST /api/stages/NAME`` with the stage's own class as request body."""

    def submit(body: Stage, request: Request, name: str = "", rerun: bool = False) -> Run:
        return as_run(enqueue(workspace, request, body, name=name, rerun=rerun))

    submit.__annotations__["body"] = stage
    submit.__annotations__["request"] = Request
    submit.__annotations__["return"] = Run
    submit.__name__ = f"submit_{stage.name}"
    summary = (stage.__doc__ or "").strip().partition("\n")[0]
    api.add_api_route(
        f"/stages/{stage.name}", submit, methods=["POST"], status_code=202, tags=["stages"], summary=summary,
        response_model=Run,
    )  # fmt: skip


def enqueue(workspace: Workspace, request: Request, stage: Stage, *, name: str = "", rerun: bool = False) -> RunResult:
    """Queue a run for the caller of a request, who may do so, and note who it was."""
    need(request, "admin" if names_outside(stage) else "member")
    result = workspace.submit(stage, name=name, rerun=rerun)
    workspace.store.traffic.note(request.state.caller.id, f"run.{stage.name}", result.run)
    return result


def names_outside(stage: Stage) -> bool:
    """Whether a body names files of this machine, or in any field a URL: a server that would get our documents."""
    return stage.outside or has_url(stage.model_dump())


def has_url(value: Any) -> bool:
    if isinstance(value, str):
        return "://" in value
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(has_url(part) for part in parts)


def describe(artifact: Artifact) -> ArtifactReply:
    return ArtifactReply(
        address=str(artifact.address), tags=list(artifact.tags), versions=list(artifact.versions),
        created=artifact.created, bytes=artifact.bytes, summary=artifact.summary,
    )  # fmt: skip
