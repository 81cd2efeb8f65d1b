"""A server that scores passages: ``POST /rerank`` as Jina, Cohere, vLLM and llama.cpp have it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import cached_property

from tuneloop.chat import ChatClient
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.knowledge.bounded import SECONDS
from tuneloop.language import _, joined
from tuneloop.nearest import meant
from tuneloop.settings import Settings, endpoint_of

ATTEMPT = 4.0  # seconds that one attempt may take
RETRIES = 1


class EndpointReranker:
    """An endpoint of ``tuneloop.toml``, or ``URL#MODEL``. One connection pool for all threads."""

    def __init__(self, what: str, settings: Settings) -> None:
        if what not in settings.endpoints and not what.startswith(("http://", "https://")):
            known = list(settings.endpoints)
            hint = meant(what, known) or (
                _("There are: {names}.").format(names=joined(known)) if known else _("Name it in tuneloop.toml.")
            )
            raise NotFound(_("there is no endpoint {name!r}").format(name=what), where="reranker", hint=hint)
        there = endpoint_of(settings, what)
        self.client = ChatClient(
            there.url, there.model, there.api_key(), retries=RETRIES, timeout=ATTEMPT, concurrency=64
        )

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """An event loop in a thread of its own: the client's connections belong to it."""
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="reranking", daemon=True).start()
        return loop

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        asked = asyncio.run_coroutine_threadsafe(self.client.rerank(query, passages), self.loop)
        try:
            return asked.result(SECONDS)
        except TimeoutError:
            asked.cancel()
            raise TuneloopError(_("no answer within {:g} s").format(SECONDS), where=self.client.base_url) from None
