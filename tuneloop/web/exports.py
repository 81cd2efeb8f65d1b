"""A dataset as a file for other tools: below ``/api`` the file, in the console what will be in it and what will not."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from tuneloop.address import Address
from tuneloop.dataset.exporters import EXPORTERS
from tuneloop.dataset.exporting import Export, check_kind, file_name, named_fields, told, written
from tuneloop.runner import Workspace
from tuneloop.store import Artifacts
from tuneloop.web.render import page
from tuneloop.web.seen import seen

ACCOUNT = "Tuneloop-Account"  # the header that says what is in the file and what is not, as JSON in ASCII
FILE: dict[str, Any] = {
    "description": "The file.",
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("application/jsonl", "text/csv")},
}
Format = Annotated[str, Query(max_length=40, description="How a row is written: openai, csv, or what a package adds.")]
Without = Annotated[str, Query(max_length=1000, description="Fields to leave out: sources,tags.")]
Guard = Annotated[bool, Query(description="In CSV, put an apostrophe before what a spreadsheet would compute.")]


def router(workspace: Workspace) -> APIRouter:
    """The routes of one workspace below ``/api``."""
    api = APIRouter(prefix="/api")

    @api.get("/artifacts/{ref}/export", tags=["artifacts"], response_class=StreamingResponse, responses={200: FILE})
    def export(
        ref: str, request: Request, format: Format = "jsonl", without: Without = "", guard: Guard = False
    ) -> StreamingResponse:
        """A dataset as a file. The header Tuneloop-Account says what is in it: ``examples``; which are ``left_out``, by
        the reason; of which a field is ``not_carried``, by the field."""
        artifacts = seen(workspace, request).store.artifacts
        address, job = job_of(artifacts, ref, format, without, guard)
        account = job.account()  # before the first byte: headers come first
        tags = artifacts.get(address).tags
        name = quote(file_name(address, tags[0] if tags else "", job), safe="")
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}", ACCOUNT: json.dumps(account.as_json()),
        }  # fmt: skip
        return StreamingResponse(written(job, job.begin()), media_type=job.exporter.media_type, headers=headers)

    return api


def pages(workspace: Workspace) -> APIRouter:
    """The pages of the console."""
    web = APIRouter(include_in_schema=False)

    @web.get("/artifacts/{ref}/export")
    def show(ref: str, request: Request, format: str = "jsonl") -> Response:
        artifacts = seen(workspace, request).store.artifacts
        address, job = job_of(artifacts, ref, format, "", bool(EXPORTERS.find(format).columns))
        account = job.account()
        return page(
            request, "export.html", artifact=artifacts.get(address), format=format, account=account,
            lines=list(told(account)), link=link(address, format=format, guard="true" if job.guard else None),
            plain=link(address, format=format) if account.formulas else "", formats=EXPORTERS.names(),
        )  # fmt: skip

    return web


def job_of(artifacts: Artifacts, ref: str, format: str, without: str, guard: bool) -> tuple[Address, Export]:
    address = artifacts.resolve(ref)
    check_kind(address)
    return address, Export(artifacts.path(address), format, named_fields(without), guard)


def link(address: Address, **asked: Any) -> str:
    return f"/api/artifacts/{address}/export?{urlencode({k: v for k, v in asked.items() if v is not None})}"
