"""One llama.cpp server as a child process: started, watched, restarted on its port, inspected, drained, stopped."""

from __future__ import annotations

import atexit
import importlib.util
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tuneloop import processes
from tuneloop.engines.agreement import parity
from tuneloop.engines.memory import CACHE, MIB, available_memory, cache_bytes_per_token, cores, engine_memory
from tuneloop.engines.sayings import safe_line
from tuneloop.errors import Conflict, MissingExtra, TuneloopError
from tuneloop.foreign import quoted
from tuneloop.language import _
from tuneloop.models import Header, ModelCard, read_card, read_gguf, read_gguf_card

if TYPE_CHECKING:
    import httpx

RESTARTS, WINDOW = 5, 600.0  # an engine that dies more often than this in so many seconds stays down


@dataclass
class Engine:
    """A running server. ``base_url`` ends in /v1 and is the OpenAI format; ``root_url`` has llama.cpp's own paths."""

    card: ModelCard
    config: dict[str, Any]  # what the child is given; its port is the one it listens on
    log: Path
    child: processes.Child
    ready_timeout: float = 300.0
    restarts: list[float] = field(default_factory=list)  # when
    failure: str = ""  # why it will not be started again
    model: str = ""  # it answers to any name
    key: str = ""
    counts: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def root_url(self) -> str:
        return f"http://{self.config['host']}:{self.config['port']}"

    @property
    def base_url(self) -> str:
        return f"{self.root_url}/v1"

    @property
    def context(self) -> int:
        """Tokens that all requests in flight share; one request may use all of them."""
        return self.config["context"]

    @property
    def context_per_request(self) -> int:
        """Tokens that each request has for itself, prompt and answer, when as many are answered as can be at once."""
        return self.context // self.config["parallel"]

    def http(self, timeout: float = 30.0) -> httpx.Client:
        """A client for the server's own paths; no proxy stands between."""
        import httpx

        return httpx.Client(base_url=self.root_url, timeout=timeout, trust_env=False)

    def healthy(self) -> bool:
        """Whether the server answers now."""
        import httpx

        try:
            with self.http(5.0) as http:
                return self.child.alive and http.get("/health").status_code == 200
        except httpx.HTTPError:
            return False

    def inspect(self) -> dict[str, Any]:
        """Process, context, busy slots and llama.cpp's counters since the start."""
        with self.http() as http:
            slots = http.get("/slots").json()
            lines = http.get("/metrics").text.splitlines()
        counters = dict(line.removeprefix("llamacpp:").rsplit(" ", 1) for line in lines if line.startswith("llamacpp:"))
        return {
            "pid": self.child.pid, "url": self.base_url, "context": self.context, "threads": self.config["threads"],
            "slots": len(slots), "busy": sum(bool(slot["is_processing"]) for slot in slots),
            "restarts": len(self.restarts), "counters": {name: float(value) for name, value in counters.items()},
        }  # fmt: skip

    def ensure(self) -> None:
        """Have a living server: a crashed one is started again on its port. Raises when it crashes again and again."""
        with self._lock:
            if self.child.alive or self._stopping.is_set():
                return
            now = time.monotonic()
            self.restarts = [t for t in self.restarts if now - t < WINDOW]
            if len(self.restarts) >= RESTARTS:
                reason = processes.exit_reason(self.child.code or 0)
                self.failure = _("the engine ended {} times, the last time with {}").format(RESTARTS + 1, reason)
                raise TuneloopError(self.failure, where=str(self.log))
            self.restarts.append(now)
            self.child = launch(self.config, self.log, self.ready_timeout)

    def watch(self) -> Self:
        """Call ``ensure`` from a thread whenever the server has ended, until ``stop``."""
        threading.Thread(target=self._watch, name=f"watch-{self.config['port']}", daemon=True).start()
        return self

    def _watch(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            if self.child.wait(0.5) is None:
                pause = 0.0
                continue
            try:
                self.ensure()
                pause = 0.1 * 2 ** len(self.restarts)
            except (TuneloopError, OSError):  # kept in ``failure``, or counted as one more crash
                if self.failure:
                    return
                pause = 1.0

    def stop(self, grace: float = 10.0) -> None:
        """Finish what is in flight within ``grace`` seconds, then end the server. Safe to call twice."""
        self._stopping.set()
        atexit.unregister(self.stop)
        with self._lock:
            self.child.stop(grace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.stop()


def start(
    model: Path, *, log: Path, threads: int = 0, parallel: int = 4, context: int = 0, embedding: bool = False,
    lora: Path | None = None, host: str = "127.0.0.1", port: int = 0, memory: int | None = None,
    ready_timeout: float = 300.0, watch: bool = True,
) -> Engine:  # fmt: skip
    """Serve a model artifact's folder, or a GGUF file, and return when it answers.

    ``context``: tokens shared by ``parallel`` requests in flight; 0 takes 2048 each and at least 8192, or what the
    model can read where that is less. ``memory``: bytes that are available, where the caller knows better. Raises
    ``TuneloopError``: no GGUF, cut short, too big for the memory, another template or tokenizer than in training;
    ``Conflict``: the port is in use.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtra("", "xllamacpp")
    card, file = locate(model)
    header = read_gguf(file)
    context = context or default_context(header, parallel)
    check_memory(header, context, available_memory() if memory is None else memory, file)
    if port and not processes.port_is_free(host, port):
        raise Conflict(_("port {} is in use").format(port), hint=_("Choose another port, or 0 for a free one."))
    variables = {} if card.thinking is None else {"enable_thinking": card.thinking}
    config = {
        "file": str(file), "alias": card.name or file.stem, "host": host, "port": port, "threads": threads or cores(),
        "parallel": parallel, "context": context, "embedding": embedding, "lora": str(lora) if lora else "",
        "chat_template": card.chat_template, "template_kwargs": variables, "cache_mib": CACHE // MIB, "drain": 60.0,
    }  # fmt: skip
    engine = Engine(card, config, log, launch(config, log, ready_timeout), ready_timeout)
    atexit.register(engine.stop)  # before the children are stopped one by one, so that none is taken for a crash
    config["port"] = int(engine.child.ready["url"].rpartition(":")[2])  # a restart takes the same one
    try:
        if not embedding:
            with engine.http() as http:
                parity(http, card)
    except BaseException:
        engine.stop(grace=1.0)
        raise
    return engine.watch() if watch else engine


def locate(model: Path) -> tuple[ModelCard, Path]:
    """The card and the GGUF file of a model."""
    if model.is_file() or not model.exists():
        return read_gguf_card(model), model
    card = read_card(model)
    if card.format != "gguf" or not card.file:
        raise TuneloopError(
            _("the engine reads GGUF, and this model is {}").format(card.format), where=str(model),
            hint=_("Convert it first: tuneloop compress MODEL --to gguf:q8_0"),
        )  # fmt: skip
    return card, model / card.file


def default_context(header: Header, parallel: int) -> int:
    wanted = max(8192, 2048 * parallel)
    known = int(header.hyper("context_length"))
    return min(wanted, known * parallel) if known else wanted


def check_memory(header: Header, context: int, available: int, file: Path) -> None:
    """Raise before loading what would not fit: being killed half-way tells nobody why."""
    need = engine_memory(header, context)
    if need <= available:
        return
    cache = cache_bytes_per_token(header) * context
    message = _(
        "the model needs about {need} MiB of memory ({cache} MiB of it for its context), and {have} MiB are free"
    )
    raise TuneloopError(
        message.format(need=need // MIB, cache=cache // MIB, have=max(0, available) // MIB), where=str(file),
        hint=_("Choose a smaller or more compressed model, or a shorter context."),
    )  # fmt: skip


def launch(config: dict[str, Any], log: Path, ready_timeout: float) -> processes.Child:
    """Start the child and wait until it has loaded the model. Raises ``TuneloopError`` with its last words."""
    command = processes.module_command("tuneloop.engines.llama", "--config", json.dumps(config))
    try:
        return processes.Child.start(command, log=log, ready_timeout=ready_timeout, keep=safe_line)
    except processes.ChildFailed as failed:
        reason = quoted(failed.line or failed.message)
        raise TuneloopError(
            _("the engine could not load the model: {}").format(reason), where=config["file"],
            hint=_("Its log: {}").format(log),
        ) from None  # fmt: skip
