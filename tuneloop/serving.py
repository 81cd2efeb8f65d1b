"""A model behind the gateway: an engine process and a gateway process, composed, started and stopped together."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tuneloop import processes
from tuneloop.address import Address
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.language import _
from tuneloop.nearest import meant
from tuneloop.settings import Endpoint, endpoint_of

if TYPE_CHECKING:
    from tuneloop.engines.door import Asked, Running
    from tuneloop.store import Store

ENGINE_FORMAT = "gguf"  # of the models that the engine loads


def endpoint(store: Store, value: str) -> Endpoint:
    """The endpoint behind a name of ``tuneloop.toml`` or behind ``URL#model``."""
    return endpoint_of(store.settings, value)


class NotPulled(NotFound):
    """A model that is not here, or not yet, where the catalogue or the settings know what was meant."""


@dataclass(frozen=True)
class MadeBy:
    """A stage, and what it is to be given, that makes what is wanted."""

    stage: str
    fields: dict[str, Any]


def made_loadable(store: Store, address: str) -> MadeBy | None:
    """What makes a model artifact one that an engine can load; ``None`` where it is that already."""
    from tuneloop.engines.door import engine_for

    if engine_for(asked(store, address)):
        return None
    return MadeBy("compress", {"model": address, "to": f"{ENGINE_FORMAT}:q8_0"})


def missing_model(store: Store, name: str) -> NotFound:
    """Of a model that is not here: how to bring it, or which one was meant."""
    from tuneloop.models import CATALOGUE

    missing = _("the model {name!r} is not here").format(name=name)
    known = [entry.name for entry in CATALOGUE]
    if name.lower() in known:
        return NotPulled(missing, hint=_("Bring it here first: tuneloop models pull {name}").format(name=name.lower()))
    if near := meant(name, [*store.artifacts.names("model"), *store.settings.endpoints, *known]):
        return NotPulled(missing, hint=near)
    return NotFound(missing, hint=_("See: tuneloop ls model, and tuneloop models ls"))


@contextmanager
def engine(store: Store, model: str, *, log: str, **options: Any) -> Iterator[Running]:
    """What serves a model, an artifact or a server elsewhere, for as long as the block lasts."""
    from tuneloop.engines.door import served

    options.setdefault("threads", store.settings.threads)
    with served(asked(store, model), log=store.logs / f"{log}.log", **options) as running:
        yield running


def asked(store: Store, model: str) -> Asked:
    """A model as engines are asked whether they serve it."""
    from tuneloop.engines.door import Asked
    from tuneloop.models import ModelCard, read_card

    if model.startswith(("http://", "https://")) or model in store.settings.endpoints:
        there = endpoint(store, model)
        return Asked(ModelCard(source=there.model), endpoint=there)
    folder = store.artifacts.path(Address.parse(model))
    return Asked(read_card(folder), folder)


def route(store: Store, name: str, url: str, upstream_model: str, *, knowledge: str | None = None, passages: int = 0,
          **options: Any) -> dict[str, Any]:  # fmt: skip
    """One route of the gateway's configuration: what a caller names, and who answers. ``options`` are its others.

    ``passages``: how many a model is shown with a question; 0 leaves it to the gateway.
    """
    body: dict[str, Any] = {"name": name, "upstream_url": url, "upstream_model": upstream_model, **options}
    if passages:
        body["passages"] = passages
    if knowledge:
        path = store.artifacts.path(Address.parse(knowledge))
        body.update(knowledge_path=str(path), knowledge_address=knowledge)
    return body


def engine_route(store: Store, name: str, running: Running, *, passages: int = 0, **options: Any) -> dict[str, Any]:
    """The route to an engine of ours: its model's system prompt, and the context that each request has.

    ``passages``: 0 takes as many as the model learned to answer from.
    """
    return route(store, name, running.base_url, running.model or name, system_prompt=running.card.system_prompt,
                 context_length=running.context_per_request, engine=running.counts,
                 passages=passages or running.card.passages, **options)  # fmt: skip


@dataclass(frozen=True)
class GatewayProcess:
    """A running gateway: its root URL, and its process."""

    url: str
    child: processes.Child


@contextmanager
def gateway_process(
    store: Store, routes: list[dict[str, Any]], *, log: str, host: str = "127.0.0.1", port: int = 0, auth: bool = True,
    language: str = "", public_url: str = "",
) -> Iterator[GatewayProcess]:  # fmt: skip
    """The gateway as a child process. Port 0 takes a free one."""
    body = {
        "host": host, "port": port, "workspace": str(store.root), "auth": auth, "routes": routes,
        "language": language or store.settings.language, "public_url": public_url or store.settings.gateway_url,
    }  # fmt: skip
    # One of its own for each, for its owner alone, and gone once it is read: a URL in it may hold a password.
    handle, name = tempfile.mkstemp(prefix=f"{log}-", suffix=".json", dir=store.folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(body, file, ensure_ascii=False, indent=1)
        command = processes.module_command("tuneloop.gateway", "--config", name)
        try:
            child = processes.Child.start(command, log=store.logs / f"{log}.log", ready_timeout=60)
        except processes.ChildFailed as failed:
            raise TuneloopError(_("the gateway did not start: {reason}").format(reason=failed.message)) from None
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()
    with child:
        yield GatewayProcess(child.ready["url"], child)


@contextmanager
def gateway(store: Store, address: str, knowledge: str | None = None, *, log: str, name: str = "model",
            **options: Any) -> Iterator[str]:  # fmt: skip
    """An engine with a gateway before it, on loopback without keys; yields the URL that ends in /v1."""
    with engine(store, address, log=f"{log}-engine") as running:
        routes = [engine_route(store, name, running, model_address=address, knowledge=knowledge)]
        with gateway_process(store, routes, log=log, auth=False, **options) as process:
            yield f"{process.url}/v1"


def stay(child: processes.Child, running: Running | None = None) -> NoReturn:
    """Wait until a server ends, or the engine behind it is given up. Raises ``TuneloopError``: which, and why."""
    while child.alive:
        if running and running.failure:
            raise TuneloopError(running.failure, where=str(running.log))
        time.sleep(0.5)
    raise has_ended(child)


@contextmanager
def while_alive(child: processes.Child) -> Iterator[None]:
    """A block that is left with ``TuneloopError`` when ``child`` ends: SIGTERM must raise ``KeyboardInterrupt``."""
    leaving = threading.Event()

    def watch() -> None:
        child.wait()
        if not leaving.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name=f"watch-{child.pid}", daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:
        if child.alive:
            raise
    finally:
        leaving.set()
    if not child.alive:
        raise has_ended(child)


def has_ended(child: processes.Child) -> TuneloopError:
    reason = processes.exit_reason(child.wait() or 0)
    return TuneloopError(_("the server has ended: {reason}").format(reason=reason), where=str(child.log))


def model_name(store: Store, address: str) -> str:
    """The name callers use for a model: its newest tag, or the beginning of its hash."""
    parsed = Address.parse(address)
    tags = store.artifacts.get(parsed).tags
    return tags[0] if tags else parsed.hash[:12]


def log_tail(path: Path, lines: int = 5) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
