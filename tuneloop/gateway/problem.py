"""Errors in the form that OpenAI clients understand: ``{"error": {"message", "type", "param", "code"}}``."""

import json
import logging
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, TimeoutError
from starlette.responses import Response

from tuneloop import logbook, sse
from tuneloop.errors import TuneloopError
from tuneloop.language import _

LOGGER = logging.getLogger("tuneloop.gateway")

TYPES = {
    400: ("invalid_request_error", "invalid_request"),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", "forbidden"),
    404: ("not_found_error", "not_found"),
    409: ("conflict_error", "conflict"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    501: ("server_error", "not_installed"),
    502: ("upstream_error", "bad_upstream"),
    503: ("upstream_error", "upstream_unavailable"),
    504: ("upstream_error", "upstream_timeout"),
}


class Problem(TuneloopError):
    """A request that is refused, or that the upstream could not answer.

    ``detail``: what an upstream said of itself, for the traffic record alone. It may echo a prompt or name an address.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str = "",
        headers: dict[str, str] | None = None, hint: str = "", detail: str = "",
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.detail = detail
        self.status, self.param, self.code, self.headers = status, param, code, headers or {}


def error_body(error: TuneloopError) -> dict[str, Any]:
    """The JSON of an error."""
    kind, code = TYPES.get(error.status, ("server_error" if error.status >= 500 else "invalid_request_error", "error"))
    param = error.param if isinstance(error, Problem) else None
    code = (isinstance(error, Problem) and error.code) or code
    return {"error": {"message": str(error), "type": kind, "param": param, "code": code}}


def for_record(error: TuneloopError) -> str:
    """An error as the traffic record keeps it: with what callers are not told."""
    detail = error.detail if isinstance(error, Problem) else ""
    return f"{error} ({detail})" if detail else str(error)


def from_bug(error: Exception) -> Problem:
    """What a caller is told of an exception that nobody meant, which goes to the log file without its text.

    A database that is locked, away or full is nobody's bug: the caller may try again.
    """
    gone = isinstance(error, DBAPIError) and not isinstance(error, DataError | IntegrityError | ProgrammingError)
    if gone or isinstance(error, TimeoutError):
        LOGGER.warning("the database does not answer: %s", logbook.kind(error))
        again = _("Try again in a moment.")
        return Problem(
            503, _("the database does not answer"), code="database", headers={"Retry-After": "2"}, hint=again
        )
    LOGGER.error("a bug in the gateway", exc_info=error)
    return Problem(500, _("the gateway has failed; its log says where"))


def error_json(error: TuneloopError) -> bytes:
    """The JSON as people read it: in UTF-8, where half a surrogate pair that a message quotes stays escaped."""
    return json.dumps(error_body(error), ensure_ascii=False).encode("utf-8", "backslashreplace")


def error_response(error: TuneloopError, request_id: str = "") -> Response:
    headers = dict(error.headers) if isinstance(error, Problem) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if request_id:
        headers["X-Request-Id"] = request_id
    return Response(error_json(error), error.status, headers, "application/json; charset=utf-8")


def error_event(error: TuneloopError) -> bytes:
    """An error inside a stream that has begun: OpenAI clients raise it."""
    return sse.written(error_json(error))
