"""The ASGI application: what is answered where."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tuneloop import __version__
from tuneloop.errors import TuneloopError
from tuneloop.gateway.body import CallerGone, read_body, while_connected
from tuneloop.gateway.chat import GONE, ChatCompletions
from tuneloop.gateway.config import GatewayConfig
from tuneloop.gateway.embeddings import embed
from tuneloop.gateway.feedback import take_feedback
from tuneloop.gateway.page import chat_page
from tuneloop.gateway.problem import Problem, error_response, for_record, from_bug
from tuneloop.gateway.record import Record
from tuneloop.gateway.state import Gateway, start_record, workspace
from tuneloop.language import _

HERE = Path(__file__).parent
Handler = Callable[[Gateway, Request, Record], Awaitable[Response]]


def build_app(config: GatewayConfig, gateway: Gateway | None = None) -> Starlette:
    """The application. Its lifespan opens what the routes need, and at the end writes what is still to be logged."""
    gateway = gateway or Gateway(config, workspace(config))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            await asyncio.to_thread(gateway.open_knowledge)
            yield
        finally:
            await gateway.close()

    def guarded(path: str, handler: Handler, method: str) -> Route:
        return Route(path, endpoint(gateway, path, handler), methods=[method])

    return Starlette(
        lifespan=lifespan,
        exception_handlers={HTTPException: not_here, Exception: failed},
        routes=[
            Route("/v1/chat/completions", ChatCompletions(gateway), methods=["POST"]),
            guarded("/v1/models", list_models, "GET"),
            guarded("/v1/models/{model:path}", show_model, "GET"),
            guarded("/v1/embeddings", embeddings, "POST"),
            guarded("/v1/feedback", feedback, "POST"),
            guarded("/metrics", metrics, "GET"),
            guarded("/passage", passage, "GET"),
            Route("/health", health(gateway)),
            Route("/", chat_page(gateway)),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
    )


def endpoint(gateway: Gateway, path: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """``handler`` behind a key, with its errors in OpenAI's form, counted, and (where it is work) logged."""

    async def answer(request: Request) -> Response:
        record = start_record(gateway, path)
        try:
            caller = await gateway.authenticate(request.scope)
            record.asked_by(caller)
            request.state.caller = caller
            return await handler(gateway, request, record)
        except CallerGone:
            record.status = GONE
            return Response(status_code=GONE)
        except TuneloopError as error:
            record.status, record.error = error.status, for_record(error)
            return error_response(error, record.id)
        except Exception as error:
            problem = from_bug(error)
            record.status, record.error = problem.status, str(problem)
            return error_response(problem, record.id)
        finally:
            if path == "/v1/embeddings":
                gateway.finish(record)
            else:
                gateway.metrics.finish(path, "", record.status, record.age())

    return answer


async def body_of(gateway: Gateway, request: Request) -> bytes:
    return await read_body(request.receive, gateway.config.max_body_bytes)


def model_row(name: str, owner: str = "tuneloop", **more: Any) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner, **more}


def model_rows(gateway: Gateway) -> list[dict[str, Any]]:
    rows = []
    for name, route in gateway.names():
        address = route.model_address if route else ""
        cited = bool(route and route.name in gateway.cited)
        facts: dict[str, Any] = {"address": address, "knowledge": cited, "embedding": route is None}
        if route and cited:
            facts |= {"passages": route.passages, "mark_unsupported": route.mark_unsupported}
        rows.append(model_row(name, tuneloop=facts))
    return rows


async def list_models(gateway: Gateway, request: Request, record: Record) -> Response:
    return JSONResponse({"object": "list", "data": model_rows(gateway)})


async def show_model(gateway: Gateway, request: Request, record: Record) -> Response:
    name = request.path_params["model"]
    row = next((row for row in model_rows(gateway) if row["id"] == name), None)
    if row is None:
        gateway.upstream(name)  # raises, with the names there are
    return JSONResponse(row)


async def embeddings(gateway: Gateway, request: Request, record: Record) -> Response:
    with gateway.flight(record.key):
        data = await body_of(gateway, request)
        return await while_connected(embed(gateway, data, record), request.receive)


async def feedback(gateway: Gateway, request: Request, record: Record) -> Response:
    return JSONResponse(await take_feedback(gateway, request.state.caller, await body_of(gateway, request)))


async def metrics(gateway: Gateway, request: Request, record: Record) -> Response:
    text = gateway.metrics.text(logged=gateway.log.written, dropped=gateway.log.dropped)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


async def passage(gateway: Gateway, request: Request, record: Record) -> Response:
    """``/passage?model=&document=&start=&end=``: a cited passage with the text around it."""
    asked = request.query_params
    cited = gateway.cited.get(gateway.upstream(asked.get("model", "")).route.name)
    if cited is None:
        raise Problem(404, _("this model has no knowledge attached"), param="model")
    try:
        start, end = int(asked.get("start", "")), int(asked.get("end", ""))
    except ValueError:
        raise Problem(400, _("'start' and 'end' must be numbers"), param="start") from None
    return JSONResponse(await asyncio.to_thread(cited.shelf.passage, asked.get("document", ""), start, end))


def health(gateway: Gateway) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__, "models": len(gateway.config.routes)})

    return answer


async def not_here(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status == 405:
        return error_response(Problem(405, _("{} is not answered here").format(request.method)))
    return error_response(Problem(status, _("there is nothing at {}").format(request.url.path[:200])))


async def failed(request: Request, error: Exception) -> Response:
    return error_response(Problem(500, _("the gateway has failed; its log says where")))
