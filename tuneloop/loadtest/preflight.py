"""A request before the clock runs: is anybody there, which model answers, does the key work."""

import asyncio
import json
from collections.abc import Sequence

from tuneloop.errors import TuneloopError
from tuneloop.language import _, marked
from tuneloop.loadtest.generator import verdict
from tuneloop.loadtest.stream import Stream
from tuneloop.loadtest.wire import Lost, Pool, Target

WAIT = 120.0  # a server may still be loading its model
TRIES = 10  # questions, until one reaches the model


def first_model(target: Target, where: str) -> str:
    """The first model that the server lists. Raises ``TuneloopError`` where it does not answer or lists none."""
    status, said = ask(target, "GET", "/models", b"", where)
    try:
        if status == 200:
            return str(json.loads(said.body)["data"][0]["id"])
    except (ValueError, LookupError, TypeError):
        pass
    refuse(status, said, where)
    raise TuneloopError(_("the server lists no model"), where=where, hint=_("Name one with --model-name."))


def warm_up(target: Target, bodies: Sequence[bytes], where: str) -> None:
    """Send a request, another where it was refused before a model was asked, and drop what they measure.

    Raises ``TuneloopError`` where none could succeed.
    """
    for body in bodies[:TRIES]:
        status, said = ask(target, "POST", "/chat/completions", body, where)
        refuse(status, said, where)
        if problem := verdict(status, said):
            raise TuneloopError(
                _("the server does not stream chat completions ({})").format(problem),
                where=where,
                hint=marked(said.message()),
            )
        if not said.refused():
            return


def refuse(status: int, said: Stream, where: str) -> None:
    hints = {
        401: _("Put the key into the environment variable TUNELOOP_API_KEY."),
        403: _("Put the key into the environment variable TUNELOOP_API_KEY."),
        404: _("Check the URL, which ends in /v1, and the model's name."),
    }
    if status != 200:
        message = _("the server answered {}").format(status)
        if said.body:
            message = _("the server answered {status}: {said}").format(status=status, said=marked(said.message()))
        raise TuneloopError(message, where=where, hint=hints.get(status, ""))


def ask(target: Target, method: str, path: str, body: bytes, where: str) -> tuple[int, Stream]:
    async def once() -> tuple[int, Stream]:
        pool, said = Pool(target), Stream()
        try:
            return await asyncio.wait_for(pool.request(method, path, body, said.feed), WAIT), said
        finally:
            await pool.close()

    try:
        return asyncio.run(once())
    except Lost as lost:
        reasons = {
            "connection": _("nobody answers"),
            "tls": _("no secure connection: its certificate is not trusted here"),
            "not_http": _("what answers is not an HTTP server"),
        }
        reason = reasons.get(lost.kind, _("the connection broke off"))
        raise TuneloopError(reason, where=where, hint=_("Check that the server is running.")) from None
    except TimeoutError:
        raise TuneloopError(_("no answer within {:g} s").format(WAIT), where=where) from None
