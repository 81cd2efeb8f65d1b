"""One step of the life cycle, defined once: every surface (Python, command line, REST, web) comes from the class.

A stage is a pydantic model of its parameters with one method, ``run(ctx)``. It reads artifacts through ``ctx``,
writes files into ``ctx.out``, and returns a summary. The runner turns ``ctx.out`` into an artifact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, TypeVar, get_args

from pydantic import model_validator

from tuneloop.address import LONGEST_NAME, NAME, Address, Kind, composed, name_from
from tuneloop.choice import Fields, Part
from tuneloop.language import _
from tuneloop.resources import Resources

if TYPE_CHECKING:
    from tuneloop.kinds import Table
    from tuneloop.records import Record
    from tuneloop.settings import Settings
    from tuneloop.store import Store


@dataclass(frozen=True)
class RefTo:
    """Marks a field that names an artifact of one kind: a tag, an address or (for models) a catalogue name.

    ``here``: of a model, that its weights are read, so that no server elsewhere will do.
    """

    kind: Kind
    here: bool = False


DocumentsRef = Annotated[str, RefTo("documents")]
ChunksRef = Annotated[str, RefTo("chunks")]
DatasetRef = Annotated[str, RefTo("dataset")]
ModelRef = Annotated[str, RefTo("model")]
WeightsRef = Annotated[str, RefTo("model", here=True)]
IndexRef = Annotated[str, RefTo("index")]
EvaluationRef = Annotated[str, RefTo("evaluation")]


__all__ = [
    "Address", "ChunksRef", "Context", "DatasetRef", "DocumentsRef", "EvaluationRef", "IndexRef", "Kind",
    "ModelRef", "RefTo", "Resources", "Stage", "WeightsRef", "listed", "read_table", "reference_kind", "short_name",
]  # fmt: skip

R = TypeVar("R", bound="Record")
HASH = re.compile(r"(?=.*[a-f])[0-9a-f]{8,64}")  # or the beginning of one; a date is none


class Context(Protocol):
    """All that a stage may touch. The runner makes it; a test may make a smaller one."""

    out: Path  # an empty folder: what is in it when run() returns becomes the artifact
    store: Store
    again: bool  # the work was done before, and is asked for anew (``--rerun``)

    def path(self, ref: str) -> Path:
        """The folder of an input artifact."""
        ...

    def summary(self, ref: str) -> dict[str, Any]:
        """What the stage that made an input artifact said of it."""
        ...

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """How far this stage is. Raises ``Cancelled`` when the user has cancelled the run."""
        ...

    def phase(self, name: str) -> None:
        """Name what is being done now, for people who watch."""
        ...

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        """Record a number, live: visible while the stage runs. With ``step`` it is a point of a curve."""
        ...

    def reject(self, where: str, reason: str, row: object = "", *, lost: bool | None = None) -> None:
        """Set a row aside; it ends in ``rejected.parquet`` of the artifact, and is counted and shown.

        ``lost``: it should have been read or kept, so the command ends with status 3. By default so says the stage's
        ``brought``.
        """
        ...

    def checkpoint(self, key: str) -> Path:
        """A path that outlives a kill: the next run of the same stage with the same inputs finds it again."""
        ...

    def chat(self, model: str, **options: Any) -> AbstractContextManager[Any]:
        """A ``ChatClient`` for an artifact, a catalogue name or an endpoint; a local engine lives as long."""
        ...

    def gateway(self, model: str, knowledge: str | None = None) -> AbstractContextManager[str]:
        """The base URL (ending in /v1) of a gateway that serves a model, started and stopped with the block."""
        ...


class Stage(Fields):
    """Base of every stage. A subclass gives ``name``, ``makes``, fields with descriptions, a docstring and ``run``."""

    name: ClassVar[str]  # the command, the REST path and the web form
    makes: ClassVar[Kind]
    version: ClassVar[int] = 1  # raise it when the same inputs would give another output
    positional: ClassVar[tuple[str, ...]] = ()  # fields typed without a flag on the command line
    counted: ClassVar[str] = "rows"  # what is set aside one by one
    brought: ClassVar[bool] = False  # people bring what it reads: what it sets aside is lost, unless it says otherwise
    outside: ClassVar[bool] = False  # True: it reads files or servers that a caller names, so REST asks for an admin
    asks_hubs: ClassVar[bool] = False  # True: it was typed to bring a model here; every other stage runs offline
    resumes: ClassVar[bool] = True  # False: it keeps nothing of what it has done when it is stopped, and says so
    reuse: ClassVar[bool] = True  # False: a measurement, made anew each time it is asked for
    short: ClassVar[dict[str, str]] = {}  # fields of a choice that may be given without it: rank for method.rank
    from_settings: ClassVar[dict[str, str]] = {}  # fields that, where empty, take a setting of the workspace
    resources: ClassVar[Resources] = Resources()  # what a run of it needs, see ``needed``

    @model_validator(mode="before")
    @classmethod
    def _in_full(cls, given: Any) -> Any:
        return cls.in_full(given) if isinstance(given, dict) else given

    @classmethod
    def in_full(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters with what was said in ``short`` in its place. Raises ``ValueError`` where both were said."""
        body = dict(given)
        for name in [name for name in cls.short if name in body]:
            whole = body.get(cls.short[name], {})
            whole = {"name": whole} if isinstance(whole, str) else whole.written() if isinstance(whole, Part) else whole
            value = body.pop(name)
            if not isinstance(whole, dict):  # the field itself refuses it
                continue
            if name in whole and whole[name] != value:
                places = {"one": name, "other": f"{cls.short[name]}.{name}"}
                raise ValueError(_("{one} and {other} are the same, and differ").format(**places))
            body[cls.short[name]] = {**whole, name: value}
        return body

    def run(self, ctx: Context) -> dict[str, Any]:
        """Do the work: write files into ``ctx.out`` and return the artifact's summary (small, JSON, deterministic)."""
        raise NotImplementedError

    def needed(self, path: Callable[[str], Path]) -> Resources:
        """What a worker keeps free for this run; where that depends on a parameter, of what it is given.

        ``path``: the folder of an artifact. It is asked often and without the packages that the work needs; what it
        raises is said by the run itself, which is given ``resources``.
        """
        return self.resources

    def fingerprint(self) -> str:
        """What the output depends on beside parameters and input artifacts: of files, the hash of their bytes."""
        return ""

    def check_outside(self, settings: Settings) -> None:
        """Raise for what can be known to be wrong before anything is run; of a long loop, before its start.

        That is what the stage names beside its references: files that are not there or that it cannot read as it was
        told to, servers that the settings do not know, packages that are not installed.
        """

    def output_name(self) -> str:
        """The tag that the output is to have where the user names none: that of the first input.

        ``default_name`` adds what the output ``is_now`` where that is the name of an input of the same kind.
        """
        return next((name for _kind, name in self.input_names()), "")

    def is_now(self) -> str:
        """What the output is beside an input of its own kind: a part, a format; by default what was done to it."""
        return self.name

    def default_name(self) -> str:
        """The tag of the output where the user names none. It never takes the name of what it was made from."""
        taken = {name for kind, name in self.input_names() if kind == self.makes}
        name, suffix = self.output_name()[:LONGEST_NAME], f"-{self.is_now()}"
        while name in taken:
            longer = name[: LONGEST_NAME - len(suffix)] + suffix
            name = longer if longer != name else ""
        return name

    def input_names(self) -> Iterator[tuple[Kind, str]]:
        """The kinds and names of the inputs that have one, in order: without a stage of release and without a place
        in a history, which are given to nothing unasked."""
        for field, kind in self.references().items():
            for value in listed(getattr(self, field)):
                name = bare_name(value)
                if NAME.fullmatch(name) and not HASH.fullmatch(name):
                    yield kind, name

    @classmethod
    def references(cls) -> dict[str, Kind]:
        """The fields that name artifacts, with the kind of each, in the order they are declared."""
        return {
            name: kind for name, f in cls.model_fields.items() if (kind := reference_kind(f.annotation, f.metadata))
        }

    @classmethod
    def kept_here(cls) -> frozenset[str]:
        """Those of them whose model's weights are read."""
        marks = {name: reference_to(f.annotation, f.metadata) for name, f in cls.model_fields.items()}
        return frozenset(name for name, mark in marks.items() if mark and mark.here)


def reference_kind(annotation: Any, metadata: Iterable[Any] = ()) -> Kind | None:
    """The artifact kind that an annotation refers to, through ``Optional`` and ``list``; ``None`` for plain values."""
    mark = reference_to(annotation, metadata)
    return mark.kind if mark else None


def reference_to(annotation: Any, metadata: Iterable[Any] = ()) -> RefTo | None:
    """The mark of such an annotation."""
    for mark in (*metadata, *get_args(annotation)):
        if isinstance(mark, RefTo):
            return mark
    return next((mark for argument in get_args(annotation) if (mark := reference_to(argument))), None)


def listed(value: str | list[str] | None) -> list[str]:
    """A field's references as a list: none, one or many."""
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def bare_name(reference: str) -> str:
    """``d`` of ``dataset:d@prod``; of an address its hash."""
    return composed((reference.partition(":")[2] or reference).partition("@")[0])


def short_name(reference: str) -> str:
    """A part of a name that says which input: its own name, the beginning of its hash, or the model of an endpoint."""
    name = bare_name(reference.rpartition("#")[2])
    return name[:12] if HASH.fullmatch(name) else name_from(name)


def read_table(ctx: Context, ref: str, table: Table[R]) -> Iterator[R]:
    """The rows of a table of an input artifact."""
    return table.read(ctx.path(ref))
