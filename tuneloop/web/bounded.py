"""How much a request to the console may bring: read here, before any route, so that no route can forget the bound."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuneloop.errors import TuneloopError
from tuneloop.language import _

FORM = 256 << 10  # bytes that a page of ours may send
API = 4 << 20  # and a program
FIELDS = 1000  # of a form
READING = ("GET", "HEAD", "OPTIONS")

Refuse = Callable[[Request, TuneloopError], Awaitable[Response]]


class TooLong(TuneloopError):
    """A request that nobody of good will sends."""

    status = 413


class Gone(Exception):
    """The caller left before the request was whole."""


class Bounded:
    """Reads the body of a request, up to a limit, and hands it on whole; a longer one is refused by ``refuse``."""

    def __init__(self, app: ASGIApp, refuse: Refuse) -> None:
        self.app, self.refuse = app, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in READING:
            return await self.app(scope, receive, send)
        try:
            body = await read(Request(scope), receive, API if scope["path"].startswith("/api") else FORM)
        except Gone:
            return None
        except TooLong as error:
            response = await self.refuse(Request(scope), error)
            response.headers["connection"] = "close"  # the rest is not read
            return await response(scope, receive, send)
        await self.app(scope, again(body, receive), send)
        return None


async def read(request: Request, receive: Receive, limit: int) -> bytes:
    """The body of a request. Raises ``TooLong``, or ``Gone``."""
    parts, size, told = [], 0, request.headers.get("content-length", "")
    while True:
        if size > limit or (told.isdecimal() and len(told) < 20 and int(told) > limit):
            raise TooLong(_("the request is longer than {} bytes").format(limit))
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body") and size <= limit:
            return b"".join(parts)


def again(body: bytes, receive: Receive) -> Receive:
    """``receive`` for who reads the body after this, and then waits for the caller to go."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return left.pop() if left else await receive()

    return next_message


async def form_fields(request: Request) -> dict[str, list[str]]:
    """The fields of a form with their values. Raises ``TooLong`` for more than a form of ours has."""
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        raise TooLong(_("the form has more than {} fields").format(FIELDS)) from None
