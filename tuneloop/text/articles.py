"""How the languages number the articles and the divisions of a statute: ``第三条``, ``第二章``."""

import re

from tuneloop.text.languages import languages
from tuneloop.text.numerals import NUMERAL


def pattern_of(name: str) -> str:
    """The pattern of ``article`` or ``division``, of all languages that have one."""
    found = [language.articles[name] for language in languages().values() if name in language.articles]
    return f"(?:{'|'.join(found)})".replace("{numeral}", f"[{NUMERAL}0-9０-９]")


ARTICLE = re.compile(pattern_of("article"))
DIVISION = pattern_of("division")  # its one group is the kind of division
