"""Logging in and out, and the choice of language and theme: what a visitor may do without a key."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from tuneloop.access import Verifier
from tuneloop.errors import Denied
from tuneloop.language import LANGUAGES
from tuneloop.loopback import origin_of
from tuneloop.web.bounded import form_fields
from tuneloop.web.render import page
from tuneloop.web.visitor import KEY, LANGUAGE, THEME, THEMES, YEAR, safe_place

HOURS = 12  # for which a browser stays logged in


async def posted(request: Request) -> dict[str, str]:
    """The fields of a form; of those with several values, the last."""
    return {name: values[-1] for name, values in (await form_fields(request)).items()}


def is_https(request: Request, public_url: str) -> bool:
    """Whether the browser came by https, though a proxy may have ended it: as it says itself, or as was set."""
    outside = request.headers.get("origin") or public_url
    return request.url.scheme == "https" or origin_of(outside).startswith("https://")


def router(verifier: Verifier | None, public_url: str) -> APIRouter:
    """``/login``, ``/logout`` and ``/choose``. Without a verifier everybody is in."""
    web = APIRouter(include_in_schema=False)

    def cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
        # lax: whoever follows a link to a run from a message is still logged in; a form of another site is not
        secure = is_https(request, public_url)
        response.set_cookie(name, value, httponly=True, samesite="lax", max_age=seconds, secure=secure)

    async def role_problem(key: str) -> Denied | str:
        """Why a key does not open the console: "" where it does."""
        try:
            return "" if verifier is None or (await asyncio.to_thread(verifier.verify, key)).may("member") else "role"
        except Denied as denied:
            return denied

    @web.get("/login")
    async def login(request: Request) -> Response:
        place, key = safe_place(request.query_params.get("next", "/")), request.cookies.get(KEY, "")
        problem = await role_problem(key) if key or verifier is None else "none"
        if not problem:
            return RedirectResponse(place, 303)
        return page(request, "login.html", next=place, problem="ended" if isinstance(problem, Denied) else "")

    @web.post("/login")
    async def enter(request: Request) -> Response:
        given = await posted(request)
        place, key = safe_place(given.get("next", "/")), given.get("key", "").strip()
        problem = await role_problem(key)
        if isinstance(problem, Denied):
            return page(request, "login.html", problem.status, next=place, problem="key")
        if problem:
            return page(request, "login.html", 403, next=place, problem=problem)
        response = RedirectResponse(place, 303)
        cookie(request, response, KEY, key, HOURS * 3600)
        return response

    @web.post("/logout")
    def leave() -> Response:
        response = RedirectResponse("/login", 303)
        response.delete_cookie(KEY)
        return response

    @web.post("/choose")
    async def choose(request: Request) -> Response:
        given = await posted(request)
        response = RedirectResponse(safe_place(given.get("next", "/"), login=True), 303)
        for field, name, values in (("language", LANGUAGE, LANGUAGES), ("theme", THEME, THEMES)):
            if given.get(field) in values:
                cookie(request, response, name, given[field], YEAR)
        return response

    return web
