"""The application: who may call, what errors look like, and where the routes are."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from tuneloop import __version__
from tuneloop.access import Caller, Verifier
from tuneloop.errors import Denied, NotFound, TuneloopError
from tuneloop.language import _, speaking
from tuneloop.loopback import came_by_proxy, is_loopback, is_named, is_ours
from tuneloop.nearest import meant
from tuneloop.registry import find_stage, stages
from tuneloop.runner import Workspace
from tuneloop.settings import describe_problems
from tuneloop.store.database import fixable
from tuneloop.web import artifacts, exports, library, login, pages, rest, submit, traffic
from tuneloop.web.bounded import READING, Bounded
from tuneloop.web.render import page, visitor_language
from tuneloop.web.replies import PROBLEMS
from tuneloop.web.visitor import KEY, asked_language, login_place

LOCAL = Caller("local", "local", "admin")
SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, a browser would send our own forms with "Origin: null"
    "Cache-Control": "no-store",  # who has logged out finds nothing behind the back button
}
PLACES = (
    "/runs", "/artifacts", "/traffic", "/audit", "/api/stages", "/api/runs", "/api/artifacts", "/api/traffic",
    "/api/audit", "/api/openapi.json",
)  # fmt: skip
OPEN = ("/login", "/logout", "/choose", "/static/")  # without a key


def build_app(workspace: Workspace, *, auth: bool = True, public_url: str = "") -> FastAPI:
    """The REST interface and the pages of one workspace. Without ``auth`` everybody who can connect is an admin.

    ``public_url``: under which others call, where a proxy stands before it.
    """
    app = FastAPI(
        title="Tuneloop", version=__version__, openapi_url="/api/openapi.json", docs_url=None, redoc_url=None,
        description="Every stage of the life cycle. A POST queues a run and returns its id at once.",
    )  # fmt: skip
    app.state.language = workspace.store.settings.language
    verifier = Verifier(workspace.store.keys)

    @app.middleware("http")
    async def admit(request: Request, call_next: Any) -> Response:
        page_of_ours = not request.url.path.startswith("/api")
        language = visitor_language(request) if page_of_ours else asked_language(request)
        with speaking(language) if language else nullcontext():
            try:
                check_site(request, auth=auth, public_url=public_url)
                if auth and not request.url.path.startswith(OPEN):
                    request.state.caller = await identify(request, verifier)
                    rest.need(request, "member")  # the key of a caller is for /v1 alone
                else:
                    request.state.caller = LOCAL if not auth else Caller("", "", "caller")
                if verifier.due():  # not waited for: the database may be busy
                    asyncio.get_running_loop().run_in_executor(None, verifier.write_used)
                response = await call_next(request)
            except TuneloopError as error:
                if isinstance(error, Denied) and page_of_ours:
                    return RedirectResponse(login_place(request), 303)
                response = await refused(request, error)
            except Exception as error:
                known = fixable(error, workspace.store.folder)
                if known is None:
                    raise
                response = await refused(request, known)
        return guarded(response)

    @app.exception_handler(TuneloopError)
    async def refused(request: Request, error: TuneloopError) -> Response:
        if request.url.path.startswith("/api"):
            return problem(error)
        return page(request, "problem.html", error.status, message=str(error))

    @app.exception_handler(HTTPException)
    async def absent(request: Request, error: HTTPException) -> Response:
        found = unknown(request.method, request.url.path, error)
        if request.url.path.startswith("/api"):
            return problem(found, error.status_code)
        return page(request, "problem.html", error.status_code, message=str(found))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        problems = [{**found, "loc": place_of(found)} for found in error.errors()]
        stage = request.url.path.removeprefix("/api/stages/")
        return problem(TuneloopError(describe_problems(problems, stages().get(stage))), 422)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        """A bug: its traceback is in the log of the server, and the caller learns no more than its name."""
        found = TuneloopError(
            _("this is a bug of Tuneloop: {name}").format(name=type(error).__name__),
            hint=_("Its traceback is in the log of the server."),
        )
        found.status = 500
        return guarded(await refused(request, found))

    async def too_long(request: Request, error: TuneloopError) -> Response:
        with speaking(visitor_language(request)):
            return guarded(await refused(request, error))

    app.add_middleware(Bounded, refuse=too_long)  # the last that is added is the first that is asked
    for routes in (rest.router(workspace), library.router(workspace), exports.router(workspace)):
        app.include_router(routes, dependencies=rest.keys() if auth else [], responses=PROBLEMS)
    app.include_router(login.router(verifier if auth else None, public_url))
    app.include_router(exports.pages(workspace))
    for module in (pages, submit, artifacts, traffic):
        app.include_router(module.router(workspace))
    return app


def unknown(method: str, path: str, error: HTTPException) -> TuneloopError:
    """What is wrong with a request that no route takes: of one to a stage, which stage was meant."""
    if error.status_code == 405:
        return TuneloopError(_("{method} is not possible at {path!r}").format(method=method, path=path))
    if error.status_code != 404:
        return TuneloopError(f"{method} {path}: {error.detail}")
    head, stage = path.removesuffix("/").rsplit("/", 1)
    try:
        find_stage(stage) if head == "/api/stages" else None
    except NotFound as missing:
        return missing
    hint = meant(path, PLACES) if path.count("/") == 1 or path.startswith("/api") else ""
    return NotFound(_("there is no page {path!r}").format(path=path), hint=hint)


def guarded(response: Response) -> Response:
    """A response that no other page may frame, read or feed with script; a file of an artifact has rules of its own."""
    for name, value in SAFE.items():
        response.headers.setdefault(name, value)
    return response


def check_site(request: Request, *, auth: bool, public_url: str) -> None:
    """Raise ``Foreign`` where a page of another site makes a visitor's browser call.

    A name that was made to point here matters only without keys, for a browser sends it no cookie. What a proxy says of
    the outside is believed from a program on this machine, and only where keys are needed: see ``is_ours``.
    """
    unnamed = came_by_proxy(request.headers) and not public_url
    if not auth and (unnamed or not is_named(request.headers.get("host", ""), public_url)):
        raise Foreign(
            _("only programs and pages of this machine may call"),
            hint=_("Name others with: {option}").format(option="--public-url URL"),
        )
    near = bool(request.client) and is_loopback(request.client.host)
    if request.method not in READING and not is_ours(request.headers, public=public_url, forwarded=auth and near):
        raise Foreign(
            _("this was sent by a page of another site, and is refused"),
            hint=_("Behind a proxy, name the console's own address with: {option}").format(option="--public-url URL"),
        )


class Foreign(TuneloopError):
    """A page of another site sent this request through the browser of somebody who may."""

    status = 403


async def identify(request: Request, verifier: Verifier) -> Caller:
    """The caller, by its bearer key, or by the cookie that the login page set. The database is asked in a thread."""
    scheme, _space, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = request.cookies.get(KEY, "")
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
