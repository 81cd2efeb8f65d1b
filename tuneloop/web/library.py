"""What ``tuneloop models ls`` and ``tuneloop show --rejected`` say, to read below ``/api``."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from tuneloop.kinds import REJECTED
from tuneloop.models import CATALOGUE
from tuneloop.records import Rejected, read_rows
from tuneloop.runner import Workspace
from tuneloop.web.paging import FARTHEST
from tuneloop.web.seen import seen


class Model(BaseModel):
    """A model that can be pulled by its name; ``here`` says whether it was."""

    name: str
    here: bool
    parameters: int
    licence: str
    languages: list[str]
    sources: list[str]


def router(workspace: Workspace) -> APIRouter:
    """The routes of one workspace."""
    api = APIRouter(prefix="/api")

    @api.get("/models", tags=["models"])
    def list_models(request: Request) -> list[Model]:
        """The model catalogue."""
        here = set(seen(workspace, request).store.artifacts.names("model"))
        return [
            Model(name=e.name, here=e.name in here, parameters=e.parameters, licence=e.licence,
                  languages=list(e.languages), sources=[s.kind for s in e.sources])
            for e in CATALOGUE
        ]  # fmt: skip

    @api.get("/artifacts/{ref}/rejected", tags=["artifacts"])
    def list_rejected(
        ref: str, request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=FARTHEST)] = 0,
    ) -> list[Rejected]:  # fmt: skip
        """Rows that were set aside when an artifact was made, with places and reasons, from number ``offset`` on."""
        artifacts = seen(workspace, request).store.artifacts
        path = REJECTED.path(artifacts.path(artifacts.resolve(ref)))
        return list(islice(read_rows(path, Rejected), offset, offset + limit)) if path.is_file() else []

    return api
