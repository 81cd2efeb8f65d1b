"""The console's pages for admins: what was asked and answered, what was thought of it, and who did what."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tuneloop.runner import Workspace
from tuneloop.web.paging import SIZE, Leafing
from tuneloop.web.render import page
from tuneloop.web.rest import need
from tuneloop.web.seen import seen

ENDED = {"": None, "well": False, "failed": True}  # how a request ended, as the list is asked


def router(workspace: Workspace) -> APIRouter:
    """The pages of one workspace that show what callers said and did."""
    web = APIRouter(include_in_schema=False)

    @web.get("/traffic")
    def list_traffic(
        request: Request, q: str = "", route: str = "", key: str = "", ended: str = "", cursor: str = ""
    ) -> Response:
        """A search looks at some thousand requests at once: there may be none among them, and still older ones."""
        need(request, "admin")
        asked = {"q": q.strip(), "route": route.strip(), "key": key.strip(), "ended": ended if ended in ENDED else ""}
        found = seen(workspace, request).store.lists.requests(
            text=asked["q"], route=asked["route"], key=asked["key"], failed=ENDED[asked["ended"]], cursor=cursor,
            limit=SIZE,
        )  # fmt: skip
        leafing = Leafing("/traffic", asked, found)
        return page(request, "list_traffic.html", requests=found.rows, leafing=leafing, asked=asked)

    @web.get("/traffic/{asked}")
    def show_traffic(asked: str, request: Request) -> Response:
        need(request, "admin")
        traffic = seen(workspace, request).store.traffic
        return page(request, "traffic.html", row=traffic.request(asked), thought=traffic.feedback(asked))

    @web.get("/audit")
    def list_audit(request: Request, q: str = "", cursor: str = "") -> Response:
        need(request, "admin")
        asked = {"q": q.strip()}
        found = seen(workspace, request).store.audit.entries(text=asked["q"], cursor=cursor, limit=SIZE)
        return page(
            request, "list_audit.html", entries=found.rows, leafing=Leafing("/audit", asked, found), asked=asked
        )

    return web
