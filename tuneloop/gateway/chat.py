"""``POST /v1/chat/completions``: an ASGI application of its own, because every layer costs time to the first token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from tuneloop.errors import TuneloopError
from tuneloop.gateway.ask import Ask, parse_ask
from tuneloop.gateway.body import CallerGone, Reply, read_body, while_connected
from tuneloop.gateway.guarded import guarded
from tuneloop.gateway.problem import error_event, error_response, for_record, from_bug
from tuneloop.gateway.record import Record
from tuneloop.gateway.relay import relay
from tuneloop.gateway.state import name_route, start_record

if TYPE_CHECKING:
    from tuneloop.gateway.state import Gateway

GONE = 499  # the caller closed the connection (nginx's number)


class ChatCompletions:
    """Answers from the upstream as it is, or with citations where the route has knowledge."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record, reply = start_record(self.gateway, "/v1/chat/completions"), Reply(send)
        try:
            await self.answer(scope, receive, reply, record)
        except CallerGone:
            if not reply.whole:  # some callers hang up on the last event, and have all of it
                record.status, record.error = GONE, "the caller closed the connection"
        except TuneloopError as error:
            await self.fail(error, record, scope, receive, reply)
        except Exception as error:
            await self.fail(from_bug(error), record, scope, receive, reply)
        finally:
            self.gateway.finish(record)

    async def answer(self, scope: Scope, receive: Receive, reply: Reply, record: Record) -> None:
        caller = await self.gateway.authenticate(scope)
        record.asked_by(caller)
        with self.gateway.flight(record.key):
            await self.answer_caller(receive, reply, record)

    async def answer_caller(self, receive: Receive, reply: Reply, record: Record) -> None:
        gateway = self.gateway
        data = await read_body(receive, gateway.config.max_body_bytes)
        ask, record.asked = parse_ask(data), len(data)
        record.route, record.streamed, record.messages = ask.model, ask.stream, ask.messages
        upstream = gateway.upstream(ask.model)
        name_route(record, upstream.route)
        gateway.remember(record)
        cited = gateway.cited.get(upstream.route.name)

        async def answer(ask: Ask, reply: Any) -> None:
            await (cited.answer(ask, record, reply) if cited else relay(upstream, ask, record, reply))

        if guards := gateway.guards.get(upstream.route.name):
            await while_connected(guarded(guards, answer, ask, record, reply), receive)
        else:
            await while_connected(answer(ask, reply), receive)

    async def fail(self, error: TuneloopError, record: Record, scope: Scope, receive: Receive, reply: Reply) -> None:
        record.status, record.error = error.status, for_record(error)
        if not reply.begun:
            await error_response(error, record.id)(scope, receive, reply)
        else:  # the status is sent: the caller is told in the stream
            await reply({"type": "http.response.body", "body": error_event(error)})
