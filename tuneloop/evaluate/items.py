"""What an evaluation keeps of each item."""

from __future__ import annotations

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
    confidence: float | None = None  # that the passages answer the question, 0 to 1
    accepted: bool | None = None  # the confidence is high enough: the question is answered, not refused
    rank: int | None = None  # of the first right page among the passages found, from 1
    found: list[str] = []  # names of the documents of the passages, best first
    cited: str | None = None  # the answer from knowledge, with markers
    said_unanswerable: bool | None = None
    citations: list[CitedSentence] = []

    def is_page(self, name: str) -> bool:
        """Whether a document answers it: the same path, or the same file at the end of a longer one."""
        return any(name == page or name.endswith("/" + page) or page.endswith("/" + name) for page in self.pages)
