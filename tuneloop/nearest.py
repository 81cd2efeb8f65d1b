"""What was most likely meant by a name that does not exist: one rule for every command, file and request."""

from collections.abc import Iterable
from difflib import SequenceMatcher

from tuneloop.language import _

CUTOFF = 0.6  # share of equal characters from which a name is near; difflib's own default
SHORT = 3  # characters: of a shorter word almost every name is near


def nearest(word: str, known: Iterable[str]) -> str:
    """The name among ``known`` that is most like ``word``, in any case, or "" where none is near."""
    typed = word.strip().lower()
    if len(typed) < SHORT:
        return ""
    rated = [(SequenceMatcher(None, typed, name.lower()).ratio(), name) for name in dict.fromkeys(known) if name]
    best, name = max(rated, key=lambda pair: pair[0], default=(0.0, ""))
    return name if best >= CUTOFF else ""


def meant(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'parse'?`` as a hint of its own, or "" where nothing is near."""
    found = nearest(word, known)
    return _("Did you mean {name!r}?").format(name=found) if found else ""


def perhaps(word: str, known: Iterable[str]) -> str:
    """The same behind a statement, in brackets."""
    found = nearest(word, known)
    return _(" (did you mean {name!r}?)").format(name=found) if found else ""
