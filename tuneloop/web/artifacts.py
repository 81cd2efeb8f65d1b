"""The pages of one artifact: what it is, its rows, one row, where that row came from, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from tuneloop.address import Address
from tuneloop.dataset.exporters import EXPORTERS
from tuneloop.errors import NotFound
from tuneloop.kinds import Table, table_of
from tuneloop.kinds.dataset import EXAMPLES
from tuneloop.language import _
from tuneloop.records import shapes
from tuneloop.runner import Workspace
from tuneloop.store import Artifacts, tables
from tuneloop.web import files, results, rows
from tuneloop.web.paging import SIZE, Paging, page_number
from tuneloop.web.render import page, visitor_language
from tuneloop.web.rest import take_name
from tuneloop.web.seen import seen


def router(workspace: Workspace) -> APIRouter:
    """The artifacts of one workspace."""
    web = APIRouter(include_in_schema=False, prefix="/artifacts/{ref}")

    def here(request: Request) -> Artifacts:
        return seen(workspace, request).store.artifacts

    @web.get("")
    def show(ref: str, request: Request) -> Response:
        store = here(request)
        address = store.resolve(ref)
        artifact, folder, language = store.get(address), store.path(address), visitor_language(request)
        return page(
            request, "artifact.html", artifact=artifact, up=store.ancestry(address), tables=tables.tables(folder),
            down=store.ancestry(address, down=True), producers=store.producers(address), files=files.files_of(folder),
            rejected=results.set_aside(folder, language), result=results.result_of(artifact, folder, language),
            formats=EXPORTERS.names(),
        )  # fmt: skip

    @web.get("/rows/{name}")
    def list_rows(ref: str, name: str, request: Request, q: str = "", reason: str = "") -> Response:
        store = here(request)
        artifact = store.get(store.resolve(ref))
        table, number = tables.open_table(store.path(artifact.address), name), page_number(request.query_params)
        found, count = rows.search(table, text=q.strip(), reason=reason, offset=(number - 1) * SIZE, limit=SIZE)
        asked = {"q": q.strip(), "reason": reason}
        paging = Paging(f"/artifacts/{artifact.address}/rows/{name}", asked, number, count)
        known = table_of(artifact.address.kind, name)
        shown = [(at, flat(known, row)) for at, row in found]
        columns = (known and known.columns) or tuple(shown[0][1] if shown else ())
        return page(
            request, "rows.html", artifact=artifact, table=table, rows=shown, paging=paging, asked=asked,
            columns=[c for c in columns if any(row.get(c) not in (None, "", []) for _n, row in shown)],
        )  # fmt: skip

    @web.get("/rows/{name}/{number}")
    def show_row(ref: str, name: str, number: int, request: Request, start: int = -1, end: int = -1) -> Response:
        store = here(request)
        artifact = store.get(store.resolve(ref))
        table = tables.open_table(store.path(artifact.address), name)
        row = rows.row_at(table, number)
        text = row.get("text") if isinstance(row.get("text"), str) else ""
        marked = (text[:start], text[start:end], text[end:]) if text and 0 <= start < end <= len(text) else None
        return page(
            request, "row.html", artifact=artifact, table=table, number=number, marked=marked,
            row=renamed(table_of(artifact.address.kind, name), row),
            origins=origins(str(artifact.address), name, row),
        )  # fmt: skip

    @web.get("/from/{name}/{identity}")
    def trace(ref: str, name: str, identity: str, request: Request) -> Response:
        """To the row of this id in the artifact, or in one that it was made from."""
        store = here(request)
        address = store.resolve(ref)
        for there in holders(store, address, name):
            at = next((rows.number_of(t, identity) for t in tables.tables(store.path(there)) if t.name == name), None)
            if at is not None:
                marked = f"?{request.url.query}" if request.url.query else ""
                return RedirectResponse(f"/artifacts/{there}/rows/{name}/{at}{marked}", 303)
        raise NotFound(
            _("the row {row} of {table} is not in this workspace").format(row=identity[:80], table=name),
            hint=_("What it came from was removed, or was never here."),
        )

    def holders(store: Artifacts, address: Address, name: str) -> list[Address]:
        """The artifacts on the way up from one that may hold a table, nearest first."""
        far = [Address.parse(edge[2]) for edge in store.ancestry(address) if ":" in edge[2]]
        up = [a for a in dict.fromkeys(far) if table_of(a.kind, name) and store.exists(a)]
        return [address, *up]

    @web.post("/untag/{name}")
    def untag(ref: str, name: str, request: Request) -> Response:
        store = seen(workspace, request).store
        address = store.artifacts.resolve(ref)
        take_name(store, request.state.caller.id, name, address)
        return RedirectResponse(f"/artifacts/{address}", 303)

    @web.get("/files/{name:path}")
    def send_file(ref: str, name: str, request: Request) -> Response:
        store = here(request)
        return files.send(store.path(store.resolve(ref)), name)

    return web


def renamed(table: Table[Any] | None, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its columns called as people read them."""
    label = table.label if table else {}
    return {label.get(name, name): value for name, value in row.items()}


def flat(table: Table[Any] | None, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as a line of a table: an example as what is asked and what is wanted, a list of words in one."""
    found = {name: value for name, value in renamed(table, row).items() if not has_parts(value)}
    found |= {name: " › ".join(map(str, value)) for name, value in found.items() if isinstance(value, list)}
    if table is EXAMPLES:
        found["question"], found["answer"] = shapes.sides(row)
        if found.get("shape") == "conversation":
            del found["shape"]
    return found


def has_parts(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(part, dict) for part in value))


def origins(artifact: str, table: str, row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Where a row came from: what that is, its name, and the link to it."""
    found = []
    if table == "chunks" and row.get("document"):
        found.append(("document", str(row.get("name") or row["document"]), to_document(artifact, row)))
    for source in row.get("sources") or []:
        if source.get("chunk"):
            link = f"/artifacts/{artifact}/from/chunks/{quote(source['chunk'], safe='')}"
            found.append(("chunk", " › ".join([source.get("name") or "", *(source.get("heading") or [])]), link))
        if source.get("document"):
            found.append(("document", str(source.get("name") or source["document"]), to_document(artifact, source)))
    if table == "items":
        found.append(("example", row["id"], f"/artifacts/{artifact}/from/examples/{quote(row['id'], safe='')}"))
    if table == "scores":
        found.append(("item", row["item"], f"/artifacts/{artifact}/from/items/{quote(row['item'], safe='')}"))
    if table == "trained":
        place = row.get("dataset") or artifact
        found.append(("example", row["example"], f"/artifacts/{place}/from/examples/{quote(row['example'], safe='')}"))
    return found


def to_document(artifact: str, span: Mapping[str, Any]) -> str:
    """The link to a document, with a span of it marked."""
    marked = urlencode({"start": span.get("start", 0), "end": span.get("end", 0)})
    return f"/artifacts/{artifact}/from/documents/{quote(span['document'], safe='')}?{marked}"
