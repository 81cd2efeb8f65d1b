"""What an answer is made of, and the events of one that is being written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuneloop.records import Source

if TYPE_CHECKING:
    from tuneloop.knowledge import Passage


class Citation(Source):
    """A sentence of an answer and what stands behind it: ``document.text[start:end] == quote``.

    ``supported`` means that the quote has the same words: nothing is added, and no number, unit, bound, permission or
    negation differs. It does not mean that the sentence is right, or answers what was asked. A sentence that states
    something and has no such quote is a citation as well, with ``supported`` false, no source, and the reason in
    ``problem``; ``unchecked`` is that of one that would have taken too long.
    """

    number: int = 0  # of the passage: the n of the marker [n]; 0 where there is none
    supported: bool
    score: float = 0.0  # the share of the sentence's content that stands in the quote, 0 to 1
    problem: str = ""  # words, number, code, name, turned, not, condition, subject, order, unchecked, nothing ...
    answer_start: int  # the sentence in Answer.text
    answer_end: int


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer. ``supported`` is None where there is nothing to support, as in a question."""

    text: str
    start: int  # in Answer.text, without marker
    end: int
    supported: bool | None = None
    citation: int | None = None  # its place in Answer.citations


@dataclass
class Answer:
    """A whole answer. ``text`` has the markers [n], ``plain`` has not; ``answerable`` is what retrieval said."""

    text: str = ""
    plain: str = ""
    language: str = "en"
    sentences: list[Sentence] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    answerable: bool = True
    confidence: float = 1.0  # that the passages answer the question, 0 to 1
    finish_reason: str = ""
    prompt_tokens: int = 0  # both as the server counts; estimated where it was ended before it told, or never tells
    completion_tokens: int = 0
    time_to_first_token: float | None = None  # seconds, from the question; None where no model was asked

    @property
    def supported_share(self) -> float | None:
        """The share of the sentences with something to support that are supported; None where there are none."""
        judged = [s.supported for s in self.sentences if s.supported is not None]
        return sum(judged) / len(judged) if judged else None


@dataclass(frozen=True)
class Passages:
    """The first event: what was found, as it is numbered in the answer, and whether it answers the question."""

    passages: list[Passage]
    answerable: bool
    confidence: float


@dataclass(frozen=True)
class Text:
    """The next piece of the answer, markers included."""

    delta: str


@dataclass(frozen=True)
class Cited:
    """A sentence has been checked; its marker has just been sent."""

    annotation: Citation


@dataclass(frozen=True)
class Done:
    """The last event."""

    answer: Answer


Event = Passages | Text | Cited | Done
