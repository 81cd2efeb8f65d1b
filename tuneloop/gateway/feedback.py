"""``POST /v1/feedback``: what a person thought of an answer, kept beside the request for the next dataset."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

from tuneloop.errors import NotFound
from tuneloop.gateway.ask import parse_object
from tuneloop.gateway.problem import Problem
from tuneloop.gateway.record import clean
from tuneloop.language import _
from tuneloop.store.scope import DEFAULT

if TYPE_CHECKING:
    from tuneloop.access import Caller
    from tuneloop.gateway.state import Gateway

LONGEST = {"comment": 10_000, "correction": 100_000}  # characters
NAMES = ("request", "request_id", "id")


async def take_feedback(gateway: Gateway, caller: Caller | None, data: bytes) -> dict[str, Any]:
    """Store a rating of -1, 0 or 1 with comment and correction. Raises ``Problem`` 400, or 404 for no such request."""
    body = parse_object(data)
    named = next((body[name] for name in NAMES if body.get(name)), None)
    if not isinstance(named, str):
        raise Problem(400, _("'request' must be the id of a chat completion"), param="request")
    named = clean(named)
    rating = body.get("rating", 0)
    if rating not in (-1, 0, 1) or isinstance(rating, bool):
        raise Problem(400, _("'rating' must be -1, 0 or 1"), param="rating")
    texts = {name: text_field(body, name) for name in LONGEST}
    if not rating and not any(texts.values()):
        raise Problem(400, _("feedback needs a rating, a comment or a correction"), param="rating")
    request = await find_request(gateway, caller, named)
    row = {"id": f"fb-{secrets.token_hex(12)}", "request": request, "key": caller.id if caller else None}
    store = gateway.store.within(caller.scope if caller else DEFAULT)
    await asyncio.to_thread(store.traffic.add_feedback, clean(row | {"rating": int(rating)} | texts))
    return {"object": "feedback", "id": row["id"], "request": request, "rating": int(rating)}


def text_field(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LONGEST[name]:
        raise Problem(400, _("{!r} must be text of at most {} characters").format(name, LONGEST[name]), param=name)
    return value


async def find_request(gateway: Gateway, caller: Caller | None, named: str) -> str:
    """The request's own id. A caller may speak of its own requests, a member of all of its project."""
    scope = caller.scope if caller else DEFAULT
    key, project = gateway.recent.get(named, (None, None))
    request = named
    if project != scope.project:
        try:
            row = await asyncio.to_thread(gateway.store.within(scope).traffic.request, named[:200])
        except NotFound:
            raise Problem(404, _("there is no request {!r}").format(named[:100]), param="request") from None
        request, key = row.id, row.key
    if caller is not None and key != caller.id and not caller.may("member"):
        raise Problem(404, _("there is no request {!r}").format(named[:100]), param="request")
    return request
