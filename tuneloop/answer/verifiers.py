"""What holds the sentences of an answer against its passages: by name, ``rules`` where a route names none.

A package adds one through the entry point group ``tuneloop.verifiers``: ``name = module:prepare``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tuneloop import logbook
from tuneloop.answer.support import UNCHECKED, Idf, Support
from tuneloop.doors import Door, Faulty
from tuneloop.language import _

RULES = "rules"
BUILT_IN = {RULES: "tuneloop.answer.support:Checker"}

log = logging.getLogger(__name__)


class Verifier(Protocol):
    """The passages of one answer, ready to be held against. Called in a thread, for a sentence at a time."""

    def check(self, sentence: str, prefer: Sequence[int] = (), question: str = "") -> Support | None:
        """What stands behind a sentence; ``None`` where nothing is near. Whoever is in doubt says ``problem``.

        ``prefer``: numbers of the passages that the model named. It has three seconds; what takes longer counts as
        unchecked.
        """
        ...

    def states(self, sentence: str) -> bool:
        """Whether a sentence has anything in it to support."""
        ...


Passage = tuple[str, Sequence[str]]  # its text, and its document's name with the headings above it
Prepare = Callable[[Sequence[Passage], Idf], Verifier]


def check_verifier(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part prepares nothing."""
    if not callable(part):
        raise ValueError(_("it is not a function of passages and of what terms weigh"))


def absent(name: str) -> str:
    return _("there is no verifier {name!r}").format(name=name)


VERIFIERS: Door[Prepare] = Door("tuneloop.verifiers", BUILT_IN, check=check_verifier, absent=absent)


def prepared(name: str, passages: Sequence[Passage], idf: Idf) -> Verifier:
    """A verifier with its passages; of a package's own, one whose failures leave a sentence unchecked."""
    part = VERIFIERS.find(name)
    return Foreign(name, part, passages, idf) if VERIFIERS.package(name) else part(passages, idf)


class Foreign:
    """A package's verifier. Where it fails, or says what cannot be, the sentence is not checked, and the log says who.

    The log is told no text, which is a person's.
    """

    def __init__(self, name: str, part: Prepare, passages: Sequence[Passage], idf: Idf) -> None:
        self.name, self.part, self.passages, self.idf = name, part, passages, idf
        self.made: Verifier | None = None

    def check(self, sentence: str, prefer: Sequence[int] = (), question: str = "") -> Support | None:
        return self._tried(lambda verifier: self._sound(verifier.check(sentence, prefer, question)), UNCHECKED)

    def states(self, sentence: str) -> bool:
        return self._tried(lambda verifier: bool(verifier.states(sentence)), True)

    def _tried(self, ask: Callable[[Verifier], Any], instead: Any) -> Any:
        try:
            with VERIFIERS.blamed(self.name):
                self.made = self.made or self.part(self.passages, self.idf)
                return ask(self.made)
        except Exception as error:
            why = logbook.kind((error.__cause__ if isinstance(error, Faulty) else None) or error)
            package = VERIFIERS.package(self.name)
            log.warning("verifier %s of the package %s: %s; a sentence is not checked", self.name, package, why)
            return instead

    def _sound(self, found: Support | None) -> Support | None:
        """A support that stands in its passage. Raises ``ValueError``, or ``TypeError`` for what is none."""
        if found is None:
            return None
        if not isinstance(found, Support):
            raise TypeError("no Support")
        if not math.isfinite(found.score) or not 0 <= found.passage < len(self.passages):
            raise ValueError("a support of no passage")
        if found.supported and not 0 <= found.start < found.end <= len(self.passages[found.passage][0]):
            raise ValueError("a support that stands nowhere")
        return found
