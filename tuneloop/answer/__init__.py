"""Answers with citations that are checked, sentence by sentence, while they are written."""

from tuneloop.answer.answerer import Answerer
from tuneloop.answer.events import Answer, Citation, Cited, Done, Event, Passages, Sentence, Text

__all__ = ["Answer", "Answerer", "Citation", "Cited", "Done", "Event", "Passages", "Sentence", "Text"]
