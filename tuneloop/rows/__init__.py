"""Work on many rows, a batch at a time, wherever it is done: processes of this machine, or what a package brings.

    for done in map_batches(cut_all, documents, takes=Document, gives=Chunk, arguments={"tokens": 200}):
        if done.problem: ...      # this batch could not be done; the others are
        yield from done.rows()

The function is one of a module, ``function(rows, **arguments)``, and gives rows. Between processes go its name, its
arguments and the rows as lines of JSON: nothing is pickled. A package adds a runner through the entry point group
``tuneloop.row_runners``: ``name = module:function`` with the signature of ``Runner``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

from tuneloop.doors import Door
from tuneloop.language import _
from tuneloop.records import Record
from tuneloop.rows.wire import rows_of

R = TypeVar("R", bound=Record)
S = TypeVar("S", bound=Record)

__all__ = ["RUNNERS", "Batch", "Done", "Limits", "Runner", "Task", "map_batches", "tell"]


LONG = 2_000_000  # characters of a batch, above which no row is added


@dataclass(frozen=True)
class Limits:
    """What one batch may take, and when a process is replaced. 0 means no limit."""

    workers: int = 0  # processes at once; 0: as many as there are cores, at most 4
    seconds: Callable[[Sequence[Any]], float] | None = None  # for a batch, by its rows
    memory: int = 0  # bytes of address space of one process
    batches: int = 0  # after which a process is replaced, whatever libraries have leaked


@dataclass(frozen=True)
class Task:
    """What is done with each batch: all of it can be said in JSON."""

    function: str  # module:name
    takes: type[Record]
    gives: type[Record]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, function: Callable[..., Any], takes: type[Record], gives: type[Record], arguments: Mapping[str, Any]
    ) -> Task:
        """Raises ``ValueError`` for a function that another process could not find by its name."""
        name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", "__main__")
        if module == "__main__" or getattr(import_module(module), name, None) is not function:
            raise ValueError(f"{name or function!r} is not a function of a module, which another process could import")
        return cls(f"{module}:{name}", takes, gives, arguments)


@dataclass(frozen=True)
class Batch(Generic[R]):
    """Rows that go together. ``number`` counts batches from 0, ``first`` the rows before it."""

    number: int
    first: int
    rows: Sequence[R]


@dataclass(frozen=True)
class Done(Generic[R, S]):
    """What became of a batch: rows, or a problem, which is one line and says how it ended."""

    batch: Batch[R]
    task: Task
    parts: Sequence[bytes] = ()  # the rows as they came: lines of JSON
    problem: str = ""
    how: str = ""  # of a problem: died (the process did), slow, failed (the function raised)

    def rows(self) -> Iterator[S]:
        """The rows that the function gave, read one after the other."""
        for part in self.parts:
            yield from rows_of(part, self.task.gives)  # type: ignore[misc]


class Runner(Protocol):
    """What does batches. It takes few of them in advance, and names each that it cannot do instead of raising."""

    def __call__(
        self, task: Task, batches: Iterator[Batch[Any]], limits: Limits, *, ordered: bool, told: Callable[[float], None]
    ) -> Iterator[Done[Any, Any]]:
        """``ordered``: in the order of the batches; else as they are done. ``told``: how many rows of the batches in
        hand are done, parts of them counted; called in the caller's thread, so that it may raise. Closing the iterator
        ends the work.
        """
        ...


def check_runner(_name: str, part: Any) -> None:
    if not callable(part):
        raise ValueError(_("it cannot be called"))


def absent(name: str) -> str:
    return _("there is no row runner {name!r}").format(name=name)


RUNNERS: Door[Runner] = Door(
    "tuneloop.row_runners", {"local": "tuneloop.rows.local:run_here"}, check=check_runner, absent=absent
)


def map_batches(
    function: Callable[..., Iterable[S]],
    rows: Iterable[R],
    *,
    takes: type[R],
    gives: type[S],
    arguments: Mapping[str, Any] | None = None,
    batch: int = 64,
    ordered: bool = True,
    limits: Limits | None = None,
    told: Callable[[float], None] = lambda done: None,
    runner: str = "local",
) -> Iterator[Done[R, S]]:
    """Do a function on all rows, ``batch`` rows at once, in processes; see the module. Memory does not grow with rows.

    Raises ``ValueError`` for a function that has no name to be found by.
    """
    task = Task.of(function, takes, gives, arguments or {})
    return RUNNERS.find(runner)(task, batched(rows, batch), limits or Limits(), ordered=ordered, told=told)


def batched(rows: Iterable[R], size: int) -> Iterator[Batch[R]]:
    """Rows in batches of ``size``, or of fewer where their texts are long."""
    part: list[R] = []
    number = first = characters = 0
    for row in rows:
        part.append(row)
        characters += sum(len(value) for _name, value in row if isinstance(value, str))
        if len(part) == size or characters >= LONG:
            yield Batch(number, first, part)
            number, first, part, characters = number + 1, first + len(part), [], 0
    if part:
        yield Batch(number, first, part)


teller: Callable[[float], None] | None = None  # in a process that does batches: whom to tell


def tell(done: float, total: float) -> None:
    """In a function that may be done by ``map_batches``: how much of its rows is done. Elsewhere nothing happens."""
    if teller and total:
        teller(done / total)
