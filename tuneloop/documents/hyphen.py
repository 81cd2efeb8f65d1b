"""Hyphens at line ends: of a broken word they go, of a compound, a number or a name they stay.

A hyphen is only taken out between two lower-case letters, or where the document itself writes the word without one. So
``-38.2%``, ``ISO-9001`` and ``non-GAAP`` keep theirs whatever the line. No dictionary: the document's own words decide,
then a few parts that stand in compounds and syllables that end a word.
"""

import re
from collections.abc import Iterable

from tuneloop.text.tokens import word_set

BREAK = (
    "\ufdd0"  # stands for a hyphen at a line end until all of the text is known; no document may hold this character
)
WORD = re.compile(r"[^\W\d_]+(?:[-\u2010\u2011][^\W\d_]+)*")
AROUND = re.compile(rf"\S*{BREAK}\S*")
BROKEN = re.compile(rf"(?P<before>[^\s{BREAK}]*){BREAK}(?=(?P<after>[^\s{BREAK}]*))")
FIRST = word_set(
    "all cross double full half high large long low near non off one open real self short single small state three two "
    "well"
)
LAST = word_set(
    "aware based centric driven free friendly known like optimized oriented related sized specific tuned tuning wide"
)
ENDING = word_set(
    "able ably age al ally ance ed ence er ers ery es est ful ible ing ings ion ions ise ised ish ism ist istic ity "
    "ive ization ize ized izes izing ly ment ments ness or ous sion tion tions ty y"
)
SUSPENDED = word_set("and oder or to und")  # short- and long-term
HYPHEN_END = re.compile(r"[^\W\d_][-\u2010]")
SIGN_END = re.compile(r"(?:[^\s\u2010-\u2015\u2212-][-\u2010\u2011\u2013\u2212]|(?:^|(?:^|[^\d%)\]\s])\s)[-\u2212])$")
AMOUNT = re.compile(r"[$\u00a3\u00a5\u20ac\uffe5]?[.,]?\d")
CLOSED = word_set("any down every how more never out over some there under up where who with")


def known_words(texts: Iterable[str]) -> set[str]:
    """The words of a document in lower case, without those that a line end broke."""
    return {word for text in texts for word in WORD.findall(AROUND.sub(" ", text).lower())}


def mend(text: str, known: set[str]) -> str:
    """``text`` with a hyphen, or with nothing, for every ``BREAK``."""
    return BROKEN.sub(lambda found: found["before"] + written(found, known), text)


def ends_in_hyphen(line: str) -> bool:
    """Whether a line ends in the middle of a word or between the parts of a compound."""
    return HYPHEN_END.fullmatch(line, max(0, len(line) - 2)) is not None


def is_parted_sign(before: str, after: str) -> bool:
    """Whether a line end parts a sign from its number (``changed by -`` / ``12.5``) or a range in two (``2019-``)."""
    return AMOUNT.match(after) is not None and SIGN_END.search(before) is not None


def written(found: re.Match[str], known: set[str]) -> str:
    """What stands for a ``BREAK``."""
    if found["after"].lower() in SUSPENDED and found["before"][-1:].isalpha():
        return "- "
    return "-" if keeps(found, known) else ""


def keeps(found: re.Match[str], known: set[str]) -> bool:
    """Whether a hyphen at a line end belongs to what is written there."""
    before, after = re.split(r"[\W\d_]", found["before"])[-1], re.split(r"[\W\d_]", found["after"])[0]
    if not before or not after:
        return True
    one, two = before.lower(), after.lower()
    if one + two in known:
        return False
    chain = found["before"][: -len(before)].endswith("-") or found["after"][len(after) :].startswith("-")
    broken_word = before[-1].islower() and after[0].islower()
    return chain or not broken_word or f"{one}-{two}" in known or is_compound(one, two, known)


def is_compound(one: str, two: str, known: set[str]) -> bool:
    """Whether two parts of a word look like two words; both are in lower case."""
    if one in FIRST:
        return two not in ENDING
    if len(one) < 4 or one in CLOSED:
        return False
    return two in LAST or (len(two) > 3 and one in known and two in known and two != "over")
