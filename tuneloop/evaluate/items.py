"""What an evaluation keeps of each item."""

from __future__ import annotations

from typing import Literal

from tuneloop.records import Record


class CitedSentence(Record):
    """A citation of an answer, for people who check it."""

    sentence: str
    supported: bool
    number: int = 0
    name: str = ""
    heading: list[str] = []
    page: int | None = None
    start: int = 0
    end: int = 0
    quote: str = ""
    problem: str = ""


class Verdict(Record):
    """What one of an item's answers was held to be, against its reference."""

    field: str  # of the item: answer, against, cited, against_cited, sentence
    mark: Literal["right", "wrong", "refused"]
    problem: str = ""  # of a wrong answer: words, code, number, opposite, empty


class Item(Record):
    """One question with everything that was answered and found."""

    id: str
    question: str
    reference: str
    answerable: bool = True
    pages: list[str] = []  # names of the documents that answer it
    answer: str | None = None
    against: str | None = None
    error: str = ""
    learned: str = ""  # the question of a training row that is the same: the item is left out of every score
    cut: list[str] = []  # the answers, by field, that ended at the limit of tokens
    end_unknown: list[str] = []  # those of which it was not told how they ended
    failed: list[str] = []  # what could not be had, by field; the item is left out where that counts
    confidence: float | None = None  # that the passages answer the question, 0 to 1
    accepted: bool | None = None  # the confidence is high enough: the question is answered, not refused
    rank: int | None = None  # of the first right page among the passages found, from 1
    found: list[str] = []  # names of the documents of the passages, best first
    cited: str | None = None  # the answer from knowledge, with markers
    said_unanswerable: bool | None = None
    citations: list[CitedSentence] = []
    against_cited: str | None = None  # the same of the model that is compared with
    against_said_unanswerable: bool | None = None
    against_citations: list[CitedSentence] = []
    sentence: str | None = None  # what no model says: the best passage's first sentence, or a refusal
    verdicts: list[Verdict] = []

    @property
    def page(self) -> tuple[str, str]:
        """What it shares with other questions, and succeeds or fails with: its first page, or nothing."""
        return ("page", self.pages[0]) if self.pages else ("item", self.id)

    @property
    def left_out(self) -> bool:
        """Whether it is not among the questions that the models are compared on."""
        return not {"answer", "against"}.isdisjoint(self.failed)

    def mark(self, field: str) -> str:
        """What the answer in this field was held to be: right, wrong, refused; "" where it was not asked for."""
        return next((verdict.mark for verdict in self.verdicts if verdict.field == field), "")

    def tell(self, field: str, problem: str) -> None:
        """Note what was wrong with one of its answers."""
        self.error = f"{self.error}; {field}: {problem}".removeprefix("; ")

    def fail(self, field: str, problem: str) -> None:
        """Note that an answer could not be had: a fault of a server, which must not count as one of the model."""
        self.failed.append(field)
        self.tell(field, problem)

    def ended(self, field: str, finish_reason: str | None) -> None:
        """Note how one of its answers ended: ``length`` is the limit; older journals do not tell."""
        if finish_reason == "length":
            self.cut.append(field)
        elif not finish_reason:
            self.end_unknown.append(field)

    def is_page(self, name: str) -> bool:
        """Whether a document answers it: the same path, or the same file at the end of a longer one."""
        return any(name == page or name.endswith("/" + page) or page.endswith("/" + name) for page in self.pages)
