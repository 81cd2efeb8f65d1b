"""Answers with citations that are checked, sentence by sentence, while they are written."""

from tuneloop.answer.answerer import Answerer
from tuneloop.answer.events import Answer, Citation, Cited, Done, Event, Passages, Sentence, Text

VERSION = 10  # raise it when the same question to the same model and index would get another text, citation or verdict

__all__ = ["VERSION", "Answer", "Answerer", "Citation", "Cited", "Done", "Event", "Passages", "Sentence", "Text"]
