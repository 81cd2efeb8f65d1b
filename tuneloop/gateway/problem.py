"""Errors in the form that OpenAI clients understand: ``{"error": {"message", "type", "param", "code"}}``."""

import json
from typing import Any

from starlette.responses import Response

from tuneloop.errors import TuneloopError

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
    """A request that is refused, or that the upstream could not answer."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str = "",
        headers: dict[str, str] | None = None, hint: str = "",
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.status, self.param, self.code, self.headers = status, param, code, headers or {}


def error_body(error: TuneloopError) -> dict[str, Any]:
    """The JSON of an error."""
    kind, code = TYPES.get(error.status, ("server_error" if error.status >= 500 else "invalid_request_error", "error"))
    param = error.param if isinstance(error, Problem) else None
    code = (isinstance(error, Problem) and error.code) or code
    return {"error": {"message": str(error), "type": kind, "param": param, "code": code}}


def error_response(error: TuneloopError, request_id: str = "") -> Response:
    headers = dict(error.headers) if isinstance(error, Problem) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if request_id:
        headers["X-Request-Id"] = request_id
    # ASCII: a message may quote half a surrogate pair, which UTF-8 cannot carry
    return Response(json.dumps(error_body(error)), error.status, headers, "application/json")


def error_event(error: TuneloopError) -> bytes:
    """An error inside a stream that has begun: OpenAI clients raise it."""
    return b"data: " + json.dumps(error_body(error)).encode() + b"\n\n"
