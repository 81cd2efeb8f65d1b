"""What a written pair must pass before anybody learns from it: gates, each by its name, one after another.

A package adds one through the entry point group ``tuneloop.curation``: ``name = module:Gate``. Gates that look at one
pair are asked first: ours in the order below, then those of packages by name. Then come those that look at all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from tuneloop.dataset.grounding import Grounding, Passage
from tuneloop.dataset.task import Pair
from tuneloop.doors import Door
from tuneloop.language import _, stored

T = TypeVar("T")

BUILT_IN = {
    "marks": "tuneloop.dataset.gates:Marks",
    "question": "tuneloop.dataset.gates:Question",
    "answer": "tuneloop.dataset.gates:Answer",
    "alone": "tuneloop.dataset.gates:Alone",
    "fitting": "tuneloop.dataset.gates:Fitting",
    "subject": "tuneloop.dataset.gates:Subject",
    "grounded": "tuneloop.dataset.gates:Grounded",
    "exam": "tuneloop.dataset.duplicates:Unexamined",
    "repeats": "tuneloop.dataset.duplicates:Unrepeated",
}


@dataclass(frozen=True)
class Candidate:
    """A pair on its way through the gates, and what it was written from."""

    pair: Pair
    passage: Passage  # its ``chunk`` is what the teacher was shown
    language: str
    grounding: Grounding | None = None  # the stretch that carries the answer, once it was found

    def with_pair(self, question: str = "", answer: str = "") -> Candidate:
        """The candidate with another question or answer; an empty one stands for what it had."""
        pair = Pair(question or self.pair.question, answer or self.pair.answer)
        return replace(self, pair=pair)


@dataclass(frozen=True)
class Refusal:
    """Why a pair is set aside. Pairs are counted by ``reason``: in English, marked by ``stored()``, without details."""

    reason: str
    detail: str = ""
    lost: bool = False  # the gate's fault and not the pair's


@dataclass(frozen=True)
class Beside:
    """What a gate that looks at all pairs is told before it is asked about the first."""

    pairs: Sequence[Pair]  # those that come to it, in their order
    exam: Sequence[str]  # questions that must never be learned


class Gate:
    """One demand on a pair. A run has an object of its own of each gate, so it may remember what it saw."""

    of_all: ClassVar[bool] = False  # it looks at a pair beside the others, once the rest have passed or refused it

    def begin(self, beside: Beside) -> None:
        """Called once, of a gate ``of_all``, before its first pair."""

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        """The candidate as it goes on, changed or not, or why it does not."""
        raise NotImplementedError

    def kept(self, candidate: Candidate) -> None:
        """Called, of a gate ``of_all``, with each candidate that passed every gate."""


def check_gate(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no gate."""
    if not (isinstance(part, type) and issubclass(part, Gate)):
        raise ValueError(_("it is not a subclass of Gate"))
    if part.check is Gate.check:
        raise ValueError(_("a gate has a method check"))


def absent(name: str) -> str:
    return _("there is no gate {name!r}").format(name=name)


GATES: Door[type[Gate]] = Door("tuneloop.curation", BUILT_IN, check=check_gate, absent=absent)


class Curation:
    """The gates of one run."""

    def __init__(self) -> None:
        self.failed: dict[str, Refusal] = {}  # by the gate of a package that cannot be asked any more
        made = {name: self.ask(name, gate) for name, gate in GATES.all().items()}
        gates = {name: gate for name, gate in made.items() if isinstance(gate, Gate)}
        self.failed = {name: gate for name, gate in made.items() if isinstance(gate, Refusal)}
        self.single = {name: gate for name, gate in gates.items() if not gate.of_all}
        self.of_all = {name: gate for name, gate in gates.items() if gate.of_all}

    def unusable(self) -> Iterator[tuple[str, str]]:
        """The gates of packages that no pair is held against, each with the reason."""
        for name, unfit in GATES.unfit.items():
            reason = stored("the gate {} of the package {} cannot be used: {}")
            yield name, reason.format(name, unfit.declared.package, unfit.reason)
        for name, refusal in self.failed.items():
            yield name, f"{refusal.reason}: {refusal.detail}"

    def judge(self, candidate: Candidate) -> tuple[Candidate, Refusal | None]:
        """A candidate behind the gates that look at it alone; or as the gate saw it that refused it, and why."""
        return self.through(self.single, candidate)

    def sift(self, candidates: Iterable[Candidate], exam: Sequence[str]) -> Iterator[tuple[Candidate, Refusal | None]]:
        """The same of all candidates, behind the gates that look at them together."""
        waiting = list(candidates)
        beside = Beside([candidate.pair for candidate in waiting], exam)
        for name, gate in self.of_all.items():
            self.tell(name, lambda gate=gate: gate.begin(beside))
        for candidate in waiting:
            found, refusal = self.through(self.of_all, candidate)
            if not refusal:
                for name, gate in self.of_all.items():
                    self.tell(name, lambda gate=gate: gate.kept(found))  # noqa: B023 (called at once)
            yield found, refusal

    def through(self, gates: dict[str, Gate], candidate: Candidate) -> tuple[Candidate, Refusal | None]:
        for name, gate in gates.items():
            found = self.failed.get(name) or self.ask(name, lambda gate=gate: checked(gate, candidate))  # noqa: B023
            if isinstance(found, Refusal):
                return candidate, found
            candidate = found
        return candidate, None

    def tell(self, name: str, call: Callable[[], None]) -> None:
        """Tell a gate something; one that fails on it refuses all that come to it from now on."""
        if isinstance(found := self.ask(name, call), Refusal):
            self.failed.setdefault(name, found)

    def ask(self, name: str, call: Callable[[], T]) -> T | Refusal:
        """What a gate answers; of a package's that raises, that it failed."""
        try:
            return call()
        except Exception as error:
            if not (package := GATES.package(name)):
                raise
            reason = stored("the gate {} of the package {} failed").format(name, package)
            return Refusal(reason, " ".join(f"{type(error).__name__}: {error}".split()), lost=True)


def checked(gate: Gate, candidate: Candidate) -> Candidate | Refusal:
    found = gate.check(candidate)
    if not isinstance(found, Candidate | Refusal):
        raise TypeError(f"check gives a Candidate or a Refusal, not {type(found).__name__}")
    if isinstance(found, Candidate) and candidate.grounding and not found.grounding:
        raise ValueError("what was grounded comes back without its grounding")
    return found


def editions() -> str:
    """The packages that bring gates, with their versions."""
    return GATES.editions(GATES.brought())
