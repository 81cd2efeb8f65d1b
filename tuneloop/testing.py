"""For the tests of a plug-in: a context that is ready, and a model that says what it is told to say.

    ctx = stage_context(tmp_path)
    ctx.client = StubModel("The gateway listens on port 8000.")
    dataset = ctx.add_rows("dataset", examples=[Example(…)])
    made = ctx.run(Shorten(dataset=dataset))
    rows = list(EXAMPLES.read(ctx.path(made)))

There is no child process and no queue; what a stage reports, sets aside and writes can be looked at.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneloop.address import Address
from tuneloop.chat import ChatClient, Completion, Delta
from tuneloop.errors import NotFound
from tuneloop.kinds import KINDS, REJECTED, Table
from tuneloop.language import _, joined
from tuneloop.records import Record, Rejected
from tuneloop.registry import check_stage
from tuneloop.stage import Stage
from tuneloop.store import Store

Said = dict[str, Any]  # a message as it goes to a server: ``{"role": "user", "content": "…"}``
Answers = str | Sequence[str] | Callable[[list[Said]], str]
DIMENSIONS = 16

__all__ = ["StageContext", "StubModel", "stage_context"]


class StubModel(ChatClient):
    """A model without a server. ``answers``: one for all questions, one after the other, or a function of the messages.

    An exception that the function raises is the answer too: ``ChatError`` is what a stage gets of a server that fails.
    """

    def __init__(self, answers: Answers = "An answer.", model: str = "stub") -> None:
        super().__init__("http://stub.invalid/v1", model, retries=0)
        self.answers = answers
        self.asked: list[list[Said]] = []  # the messages of each question, in order
        self.embedded: list[str] = []

    def _next(self, messages: list[Said]) -> str:
        self.asked.append(messages)
        if isinstance(self.answers, str):
            return self.answers
        if callable(self.answers):
            return self.answers(messages)
        if len(self.asked) > len(self.answers):
            raise AssertionError(f"the stub model has {len(self.answers)} answers, and was asked once more")
        return self.answers[len(self.asked) - 1]

    async def _complete_once(self, body: dict[str, Any]) -> Completion:
        text = self._next(body["messages"])
        return Completion(text, finish_reason="stop", completion_tokens=len(text.split()))

    async def _stream_once(self, body: dict[str, Any]) -> AsyncGenerator[Delta, None]:
        text = self._next(body["messages"])
        for piece in text.splitlines(keepends=True):
            yield Delta(piece)
        yield Delta(finish_reason="stop", completion_tokens=len(text.split()))

    async def _embed_once(self, texts: list[str]) -> list[list[float]]:
        """Equal texts have equal vectors, and texts that share letters have near ones."""
        self.embedded += texts
        return [
            [0.1 + sum(ord(c) % DIMENSIONS == place for c in text) for place in range(DIMENSIONS)] for text in texts
        ]


class StageContext:
    """What ``Stage.run`` takes, with all that a stage did beside writing files."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "workspace")
        self.out, self.kept = folder / "out", folder / "kept"
        self.empty_out()
        self.rejected: list[tuple[str, str, Any]] = []  # where, reason, row
        self.lost: list[str] = []  # of what was rejected: where the stage said that it is lost
        self.metrics: list[tuple[str, float, int | None]] = []
        self.reported: list[tuple[float, float | None, str]] = []  # done, total, unit
        self.phases: list[str] = []
        self.chats: list[tuple[str, dict[str, Any]]] = []  # the model and the options of each ``chat()``
        self.client: Any = StubModel()  # what ``chat()`` yields
        self.url = ""  # what ``gateway()`` yields
        self.again = False
        self._brought, self._aside = False, list[Rejected]()  # of the stage that runs

    def empty_out(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)

    # -- what a test does ----------------------------------------------------------------------------------------

    def add(self, kind: str, folder: Path, summary: dict[str, Any] | None = None) -> str:
        """Make an artifact of a folder, which moves into the workspace; the artifact's address."""
        return str(self.store.artifacts.save(kind, folder, summary or {}))

    def add_rows(
        self, kind: str, summary: dict[str, Any] | None = None, /, **tables: Iterable[Record | Mapping[str, Any]]
    ) -> str:
        """Make an artifact of rows, as ``add_rows("dataset", examples=[Example(…)])``, and return its address.

        A row is a record or its fields. Raises ``NotFound`` for a table that the kind does not name.
        """
        found = {name: declared(kind, name) for name in tables}
        folder = self.kept.parent / "rows"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, rows in tables.items():
            row = found[name].row
            found[name].write(folder, (one if isinstance(one, Record) else row.model_validate(one) for one in rows))
        return self.add(kind, folder, summary)

    def run(self, stage: Stage) -> str:
        """Run a stage and keep what it made; the artifact's address.

        As in a real run ``out`` is empty before, rows that were set aside are a table of the artifact, and a stage that
        the registry would not take is refused (``ValueError``).
        """
        check_stage(stage.name, type(stage))
        self.empty_out()
        self._brought, self._aside = stage.brought, []
        summary = dict(stage.run(self) or {})
        if self._aside:
            summary["rejected"] = REJECTED.write(self.out, sorted(self._aside, key=lambda row: not row.lost))
        if lost := sum(row.lost for row in self._aside):
            summary["lost"] = lost
        made = self.add(stage.makes, self.out, summary)
        self.empty_out()
        return made

    # -- what a stage does ---------------------------------------------------------------------------------------

    def path(self, ref: str) -> Path:
        return self.store.artifacts.path(Address.parse(ref))

    def summary(self, ref: str) -> dict[str, Any]:
        return self.store.artifacts.get(Address.parse(ref)).summary

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        self.reported.append((done, total, unit))

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        self.metrics.append((name, value, step))

    def reject(self, where: str, reason: str, row: object = "", *, lost: bool | None = None) -> None:
        text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False, default=str)
        lost = self._brought if lost is None else lost
        self.rejected.append((where, reason, row))
        self._aside.append(Rejected(where=where, reason=reason, row=text, lost=lost))
        if lost:
            self.lost.append(where)

    def checkpoint(self, key: str) -> Path:
        path = self.kept / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def chat(self, model: str, **options: Any) -> Iterator[Any]:
        self.chats.append((model, options))
        yield self.client

    @contextmanager
    def gateway(self, model: str, knowledge: str | None = None) -> Iterator[str]:
        yield self.url


def stage_context(folder: Path | str) -> StageContext:
    """A context that works in a folder, which may be empty or that of an earlier one: checkpoints are kept there."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    return StageContext(Path(folder))


def declared(kind: str, name: str) -> Table[Any]:
    """A table that a kind names. Raises ``NotFound`` with those there are."""
    if table := KINDS.find(kind).table(name):
        return table
    names = joined(table.name for table in KINDS.find(kind).tables)
    raise NotFound(
        _("there is no table {table!r}").format(table=name), hint=_("Tables: {tables}.").format(tables=names or "-")
    )
