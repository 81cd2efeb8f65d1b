"""What serves a model: llama.cpp on this machine, a server elsewhere, or what an installed package brings.

A package adds one through the entry point group ``tuneloop.engines``: ``name = module:ENGINE``. The first whose
``serves`` says so has the model; the built-in ones are asked first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tuneloop.doors import Door
from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.models import ModelCard
from tuneloop.settings import Endpoint


@dataclass(frozen=True)
class Asked:
    """The model that is to be served: a folder with its card, or a server elsewhere."""

    card: ModelCard
    folder: Path | None = None
    endpoint: Endpoint | None = None


class Running(Protocol):
    """A server that answers in OpenAI's format."""

    card: ModelCard
    model: str  # the model's name there; "" where any will do
    key: str  # what it asks of a caller; "" for none
    counts: bool  # whether it tells its tokens as it writes, as llama.cpp does
    failure: str  # why it was given up; "" while it is not

    @property
    def log(self) -> Path: ...
    @property
    def base_url(self) -> str:
        """Where it answers, ending in /v1."""
        ...

    @property
    def context_per_request(self) -> int:
        """Tokens of a prompt and its answer; 0 where it is not known."""
        ...

    def stop(self, grace: float = 10.0) -> None:
        """Finish what is in flight within ``grace`` seconds, and end. Safe to call twice."""
        ...


@runtime_checkable
class EngineKind(Protocol):
    """A way to serve models."""

    def serves(self, asked: Asked) -> bool:
        """Whether it can serve this model; from its card alone, without starting anything."""
        ...

    def start(self, asked: Asked, *, log: Path, threads: int, parallel: int, context: int) -> Running:
        """Serve the model, and return when it answers. Raises ``TuneloopError`` for what the user can mend.

        ``threads``: 0 chooses. ``context``: tokens shared by ``parallel`` requests; 0 chooses.
        """
        ...


class LlamaCpp:
    """GGUF files on this machine."""

    def serves(self, asked: Asked) -> bool:
        return asked.folder is not None and asked.card.format == "gguf"

    def start(self, asked: Asked, **options: Any) -> Running:
        from tuneloop.engines.engine import start

        assert asked.folder
        return start(asked.folder, **options)


@dataclass
class Elsewhere:
    """A server that others run: nothing is started, and nothing is stopped."""

    card: ModelCard
    base_url: str
    model: str
    key: str
    log: Path
    context_per_request: int = 0
    counts: bool = False
    failure: str = ""

    def stop(self, grace: float = 10.0) -> None:
        pass


class EndpointEngine:
    """OpenAI-compatible servers elsewhere."""

    def serves(self, asked: Asked) -> bool:
        return asked.endpoint is not None

    def start(self, asked: Asked, *, log: Path, threads: int, parallel: int, context: int) -> Running:
        there = asked.endpoint
        assert there
        return Elsewhere(asked.card, there.url, there.model, there.api_key(), log, context)


LLAMA_CPP, ENDPOINT = LlamaCpp(), EndpointEngine()
BUILT_IN = {"llama.cpp": "tuneloop.engines.door:LLAMA_CPP", "endpoint": "tuneloop.engines.door:ENDPOINT"}


def check_engine(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no engine."""
    if not isinstance(part, EngineKind):
        raise ValueError(_("it has no serves and start"))


def absent(name: str) -> str:
    return _("there is no engine {name!r}").format(name=name)


ENGINES: Door[EngineKind] = Door("tuneloop.engines", BUILT_IN, check=check_engine, absent=absent)


def engine_for(asked: Asked) -> str | None:
    """The name of the engine that serves a model as it is; ``None`` where none does."""
    for name, kind in ENGINES.all().items():
        with ENGINES.blamed(name):
            if kind.serves(asked):
                return name
    return None


@contextmanager
def served(asked: Asked, *, log: Path, threads: int = 0, parallel: int = 4, context: int = 0) -> Iterator[Running]:
    """A running server for a model, stopped with the block. Raises ``TuneloopError`` where no engine serves it."""
    name = engine_for(asked)
    if name is None:
        raise TuneloopError(
            _("no engine here serves a model in the form {form!r}").format(form=asked.card.format),
            where=str(asked.folder or ""), hint=_("Convert it first: tuneloop compress MODEL --to gguf:q8_0"),
        )  # fmt: skip
    with ENGINES.blamed(name):
        running = ENGINES.find(name).start(asked, log=log, threads=threads, parallel=parallel, context=context)
    try:
        yield running
    finally:
        running.stop()
