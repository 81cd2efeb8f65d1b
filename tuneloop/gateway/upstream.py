"""The servers behind the routes: one set of pooled connections, requests passed on, failures told as HTTP statuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx

from tuneloop.chat import error_text
from tuneloop.errors import TuneloopError
from tuneloop.foreign import told
from tuneloop.gateway.ask import LIMITS, Ask
from tuneloop.gateway.config import Route
from tuneloop.gateway.problem import Problem
from tuneloop.language import _

COMMON_KEY = "TUNELOOP_ENDPOINT_KEY"  # the key of an endpoint given by URL; there need not be one
OF_CALLER = (400, 409, 413, 415, 422)  # statuses whose text says what is wrong with the request
CONNECT_SECONDS = 5.0


class Upstream:
    """One route's server."""

    def __init__(self, route: Route, client: httpx.AsyncClient) -> None:
        self.route, self.client = route, client
        self.model = route.upstream_model or route.name
        self.key = read_key(route)
        self.timeout = httpx.Timeout(route.timeout, connect=min(CONNECT_SECONDS, route.timeout))
        self.headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self.key:
            self.headers["Authorization"] = f"Bearer {self.key}"

    def chat_body(self, ask: Ask) -> bytes:
        """The caller's body with the upstream's model name, the system prompt, defaults and limit where it has none."""
        body = {**self.route.defaults, **ask.body, "model": self.model}
        if self.route.max_tokens and all(body.get(name) is None for name in LIMITS):
            body["max_tokens"] = self.route.max_tokens
        prompt = self.route.system_prompt
        if prompt and not any(m["role"] in ("system", "developer") for m in ask.messages):
            body["messages"] = [{"role": "system", "content": prompt}, *ask.messages]
        return json.dumps(body).encode()

    async def post(self, path: str, body: bytes) -> httpx.Response:
        """Send a request and return the answer as soon as its headers are there. Raises ``Problem`` for failures."""
        request = self.client.build_request(
            "POST", self.route.upstream_url + path, content=body, headers=self.headers, timeout=self.timeout
        )
        try:
            response = await self.client.send(request, stream=True)
        except (httpx.HTTPError, OSError) as error:
            raise self.failure(error) from None
        if response.status_code >= 300:
            try:
                text = (await response.aread()).decode("utf-8", "replace")
            except httpx.HTTPError as error:
                raise self.failure(error) from None
            finally:
                await response.aclose()
            raise self.refusal(response, text)
        return response

    def failure(self, error: Exception) -> Problem:
        """A connection that could not be made, broke, or was silent for too long. Names no address: callers see it."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | OSError):
            return Problem(502, _("the model's server cannot be reached"), hint=_("Is it running?"))
        if isinstance(error, httpx.TimeoutException):
            return Problem(504, _("the model's server said nothing for {:g} s").format(self.route.timeout))
        return Problem(502, _("the connection to the model's server broke off"))

    def refusal(self, response: httpx.Response, text: str) -> Problem:
        """What an upstream's error status means to a caller: its own fault, or the server's."""
        return refused(response.status_code, error_text(text), response.headers.get("Retry-After", ""))


def refused(status: int, said: str, again: str = "") -> Problem:
    """The problem that an upstream's status means. What it says is told to callers where it is about their request.

    ``again``: its header Retry-After, where it sent one.
    """
    headers = {"Retry-After": again} if again else {}
    if status in OF_CALLER:
        return Problem(status, said or _("the model's server refuses the request"), headers=headers)
    if status == 429:
        return Problem(429, _("the model's server takes no more requests now"), headers=headers, detail=said)
    if status == 503:
        headers = {"Retry-After": again or "1"}
        return Problem(503, _("the model's server is not ready"), headers=headers, detail=said)
    if status in (408, 504):
        return Problem(504, _("the model's server took too long"), detail=said)
    if status in (401, 403):
        return Problem(502, _("the model's server refuses the gateway's key"), detail=said)
    message = _("the model's server answered HTTP {}").format(status) if status else _("the model's server failed")
    return Problem(502, message, detail=said)


def open_client(*, local: bool) -> httpx.AsyncClient:
    """Pooled connections, as many as there are requests. ``local``: no proxy of the environment is asked."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200, keepalive_expiry=60)
    return httpx.AsyncClient(limits=limits, trust_env=not local, headers={"User-Agent": "tuneloop-gateway"})


def read_key(route: Route) -> str:
    """The key for a route's server, from the environment or a file. Raises ``TuneloopError`` where it is missing."""
    if route.api_key_env:
        if route.api_key_env not in os.environ and route.api_key_env != COMMON_KEY:
            raise TuneloopError(
                _("the key of route {!r} is not set").format(route.name),
                hint=_("Set the environment variable {}.").format(route.api_key_env),
            )
        return os.environ.get(route.api_key_env, "")
    if route.api_key_file:
        try:
            return Path(route.api_key_file).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            message = _("cannot read the key file: {}").format(told(error))
            raise TuneloopError(message, where=route.api_key_file) from None
    return ""
