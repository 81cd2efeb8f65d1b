"""The application: who may call, what errors look like, and where the routes are."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from tuneloop import __version__
from tuneloop.access import Caller, Verifier
from tuneloop.errors import Denied, TuneloopError
from tuneloop.language import _
from tuneloop.loopback import host_of, is_loopback, is_ours
from tuneloop.runner import Workspace
from tuneloop.settings import describe_problems
from tuneloop.store.database import fixable
from tuneloop.web import library, pages, rest
from tuneloop.web.replies import PROBLEMS

LOCAL = Caller("local", "local", "admin")
SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def build_app(workspace: Workspace, *, auth: bool = True, host: str = "127.0.0.1") -> FastAPI:
    """The REST interface and the pages of one workspace. Without ``auth`` everybody who can connect is an admin."""
    app = FastAPI(
        title="Tuneloop", version=__version__, openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        description="Every stage of the life cycle. A POST queues a run and returns its id at once.",
    )  # fmt: skip
    verifier = Verifier(workspace.store.traffic)

    @app.middleware("http")
    async def admit(request: Request, call_next: Any) -> Response:
        open_paths = ("/login", "/static/")
        try:
            named = request.headers.get("host", "")
            if is_loopback(host) and not is_loopback(host_of(f"//{named}")):  # a name that was made to point here
                raise Foreign(_("only programs and pages of this machine may call"))
            if request.method == "POST" and not is_ours(named, request.headers.get("origin", "")):
                raise Foreign(_("this was sent by a page of another site, and is refused"))
            if auth and not request.url.path.startswith(open_paths):
                request.state.caller = await identify(request, verifier)
                rest.need(request, "member")  # the key of a caller is for /v1 alone
            else:
                request.state.caller = LOCAL if not auth else Caller("", "", "caller")
            if verifier.due():  # not waited for: the database may be busy
                asyncio.get_running_loop().run_in_executor(None, verifier.write_used)
            response = await call_next(request)
        except TuneloopError as error:
            if isinstance(error, Denied) and not request.url.path.startswith("/api"):
                return RedirectResponse("/login", 303)
            response = await refused(request, error)
        except Exception as error:
            known = fixable(error, workspace.store.folder)
            if known is None:
                raise
            response = await refused(request, known)
        response.headers.update(SAFE)
        return response

    @app.exception_handler(TuneloopError)
    async def refused(request: Request, error: TuneloopError) -> Response:
        if request.url.path.startswith("/api"):
            return problem(error)
        return HTMLResponse(pages.banner(request, str(error)), error.status)

    @app.exception_handler(HTTPException)
    async def absent(request: Request, error: HTTPException) -> Response:
        found = TuneloopError(f"{request.method} {request.url.path}: {error.detail}")
        if request.url.path.startswith("/api"):
            return problem(found, error.status_code)
        return HTMLResponse(pages.banner(request, str(found)), error.status_code)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        problems = [{**found, "loc": place_of(found)} for found in error.errors()]
        return problem(TuneloopError(describe_problems(problems)), 422)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        """A bug: its traceback is in the log of the server, and the caller learns no more than its name."""
        found = TuneloopError(
            _("this is a bug of Tuneloop: {name}").format(name=type(error).__name__),
            hint=_("Its traceback is in the log of the server."),
        )
        found.status = 500
        response = await refused(request, found)
        response.headers.update(SAFE)
        return response

    for routes in (rest.router(workspace), library.router(workspace)):
        app.include_router(routes, dependencies=rest.keys() if auth else [], responses=PROBLEMS)
    app.include_router(pages.router(workspace, verifier if auth else None))
    return app


class Foreign(TuneloopError):
    """A page of another site sent this request through the browser of somebody who may."""

    status = 403


async def identify(request: Request, verifier: Verifier) -> Caller:
    """The caller, by its bearer key, or by the cookie that the login page set. The database is asked in a thread."""
    scheme, _space, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = request.cookies.get(rest.COOKIE, "")
    return verifier.verify(key) if verifier.remembered(key) else await asyncio.to_thread(verifier.verify, key)


def problem(error: TuneloopError, status: int = 0) -> Response:
    """A problem that the caller can fix, as JSON."""
    body = json.dumps({"error": str(error), "hint": error.hint}, ensure_ascii=False)
    body = body.encode("utf-8", "backslashreplace")  # half a character may be just what was wrong
    return Response(body, status or error.status, media_type="application/json; charset=utf-8")


def place_of(problem: Any) -> tuple[Any, ...]:
    """Which field is wrong, as the caller knows it: none where it is the body as a whole."""
    place = problem["loc"][1:]
    if problem["type"] == "json_invalid":
        return ()
    return place or (("body",) if problem["type"] == "missing" else ())
