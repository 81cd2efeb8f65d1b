"""``/api``: one POST a stage, made from its class; runs, artifacts and lineage to read."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer
from pydantic import AfterValidator

from tuneloop.address import Address
from tuneloop.errors import TuneloopError
from tuneloop.kinds import KINDS
from tuneloop.language import _, joined
from tuneloop.nearest import perhaps
from tuneloop.registry import stages
from tuneloop.runner import RunResult, Workspace
from tuneloop.stage import Stage
from tuneloop.store import Artifact, Store, as_json
from tuneloop.store.curves import POINTS, thinned
from tuneloop.web.paging import FARTHEST, address_of, link_on
from tuneloop.web.replies import (
    ArtifactReply,
    AuditReply,
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
from tuneloop.web.seen import seen
from tuneloop.web.visitor import KEY


def known_kind(kind: str) -> str:
    if kind not in KINDS:
        kinds = KINDS.names()
        raise ValueError(_("kinds are {kinds}").format(kinds=joined(kinds)) + perhaps(kind, kinds))
    return kind


KnownKind = Annotated[str, AfterValidator(known_kind)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str, Query(max_length=2000, description="Where to go on: ``rel=next`` of the header Link has it.")]
Text = Annotated[str, Query(max_length=200, description="A part of what is searched for.")]


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
        request: Request, response: Response, limit: Limit = 50, state: State | None = None, stage: str = "",
        q: Text = "", cursor: Cursor = "",
        offset: Annotated[int, Query(ge=0, le=FARTHEST, deprecated=True, description="Moves as rows come.")] = 0,
    ) -> list[Run]:  # fmt: skip
        """Runs, newest first, by state, stage, and a part of id, name or output (``q``).

        The header Link leads to the next of them; where it has no ``rel=next`` there are no more.
        """
        here = seen(workspace, request)
        part = here.store.lists.runs(
            state=state or "", stage=stage, text=q.strip(), cursor=cursor, limit=limit, offset=offset
        )
        link_on(request, response, part)
        return [as_run(result) for result in here.results(part.rows)]

    @api.get("/runs/{run}", tags=["runs"])
    def get_run(run: str, request: Request) -> RunDetail:
        """One run with its progress."""
        here = seen(workspace, request)
        row = here.store.runs.get(run)
        progress = Progress(**row.progress) if row.progress else None
        return RunDetail(**here.result(row.id).as_json(), progress=progress, params=row.typed, attempts=row.attempts)

    @api.get("/runs/{run}/metrics", tags=["runs"])
    def get_metrics(
        run: str, request: Request, response: Response,
        points: Annotated[int, Query(ge=0, le=10**6, description="At most so many of each; 0: all.")] = POINTS,
        after: Annotated[int, Query(ge=0, le=2**31, description="Only what was recorded since.")] = 0,
    ) -> dict[str, list[tuple[int | None, float]]]:  # fmt: skip
        """Every metric of a run as ``[[step, value], …]``: the first and the last of it, and its extremes between.

        The header Link leads to what is recorded later.
        """
        store = seen(workspace, request).store
        curves, newest = store.curves.of(store.runs.get(run).id, after=after)
        response.headers["Link"] = f'<{address_of(request, after=newest)}>; rel="next"'
        return {name: thinned(curve, points) if points else curve for name, curve in curves.items()}

    @api.post("/runs/{run}/cancel", tags=["runs"])
    def cancel_run(run: str, request: Request) -> Cancelled:
        """Ask a run to stop."""
        need(request, "member")
        here = seen(workspace, request)
        row = here.store.runs.get(run)
        here.store.audit.note(request.state.caller.id, "run.cancel", row.id)
        return Cancelled(run=row.id, state=here.cancel(row.id))  # type: ignore[arg-type]

    @api.get("/artifacts", tags=["artifacts"])
    def list_artifacts(
        request: Request, response: Response, kind: KnownKind | None = None, q: Text = "", named: bool = False,
        limit: Limit = 1000, cursor: Cursor = "",
    ) -> list[ArtifactReply]:  # fmt: skip
        """Artifacts, newest first, by kind, and a part of a name or of the address (``q``).

        The header Link leads to the next of them; where it has no ``rel=next`` there are no more.
        """
        lists = seen(workspace, request).store.lists
        part = lists.artifacts(kind=kind or "", text=q.strip(), named=named, cursor=cursor, limit=limit)
        link_on(request, response, part)
        return [describe(a) for a in part.rows]

    @api.get("/artifacts/{ref}", tags=["artifacts"])
    def get_artifact(ref: str, request: Request) -> ArtifactReply:
        """One artifact, by its address or name."""
        artifacts = seen(workspace, request).store.artifacts
        return describe(artifacts.get(artifacts.resolve(ref)))

    @api.delete("/artifacts/{ref}/tags/{name}", tags=["artifacts"])
    def untag(ref: str, name: str, request: Request) -> ArtifactReply:
        """Take a name away from the artifact that it leads to, which stays, as does the history of the name."""
        need(request, "member")
        store = seen(workspace, request).store
        address = store.artifacts.resolve(ref)
        take_name(store, request.state.caller.id, name, address)
        return describe(store.artifacts.get(address))

    @api.get("/artifacts/{ref}/lineage", tags=["artifacts"])
    def get_lineage(ref: str, request: Request, down: bool = False) -> Lineage:
        """What an artifact was made from, or (``down``) what was made from it."""
        artifacts = seen(workspace, request).store.artifacts
        address = artifacts.resolve(ref)
        edges = artifacts.ancestry(address, down=down)
        found = [Edge.model_validate({"from": near, "stage": stage, "to": far}) for near, stage, far in edges]
        return Lineage(artifact=str(address), edges=found)

    @api.get("/traffic", tags=["traffic"])
    def get_traffic(
        request: Request, response: Response, limit: Limit = 50, since: float | None = None,
        until: float | None = None, route: str = "", key: str = "", model: str = "", failed: bool | None = None,
        q: Text = "", cursor: Cursor = "",
    ) -> list[TrafficReply]:  # fmt: skip
        """The requests that the gateway answered, newest first, by time in seconds since 1970, route, id of the key,
        address of the model, whether they failed, and a part of what was asked and answered (``q``).

        The header Link leads to the next of them. A search looks at ten thousand requests at once: there may be none
        among them and still a ``rel=next``. Where that is missing there are no more.
        """
        need(request, "admin")
        part = seen(workspace, request).store.lists.requests(
            since=since, until=until, route=route, key=key, model=model, failed=failed, text=q.strip(),
            cursor=cursor, limit=limit,
        )  # fmt: skip
        link_on(request, response, part)
        return [TrafficReply(**row) for row in as_json(part.rows)]

    @api.get("/audit", tags=["traffic"])
    def get_audit(
        request: Request, response: Response, limit: Limit = 100, q: Text = "", cursor: Cursor = ""
    ) -> list[AuditReply]:
        """Who did what, newest first, by a part of who, what or to which (``q``). The header Link leads on."""
        need(request, "admin")
        part = seen(workspace, request).store.audit.entries(text=q.strip(), cursor=cursor, limit=limit)
        link_on(request, response, part)
        return [AuditReply.model_validate(row, from_attributes=True) for row in part.rows]

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
    here = seen(workspace, request)
    result = here.submit(stage, name=name, rerun=rerun)
    here.store.audit.note(request.state.caller.id, f"run.{stage.name}", result.run)
    return result


def take_name(store: Store, actor: str, name: str, address: Address) -> None:
    """Take a name, with or without its kind, from an artifact, and note who did it. Raises where it leads elsewhere."""
    name = name.removeprefix(f"{address.kind}:")
    store.artifacts.untag(address.kind, name, address)
    store.audit.note(actor, "untag", f"{address.kind}:{name}")


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
