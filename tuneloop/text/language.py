"""Which language a text is in: the one decision that all rooms share.

Function words decide, and letters where there are none. A name proves nothing: "How is 张伟 paid at Zorbex?" is an
English question, and a Chinese page full of English identifiers is a Chinese page. Code, addresses and what stands in
quotation marks are looked at only where there is nothing else. A text in a language for which there are no rules is in
none that is known: the function words of the commonest are in ``strangers.toml``.
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from tuneloop.scripts import CHARACTERS_A_WORD, CJK, SCRIPTS, SPACELESS
from tuneloop.text.languages import Language, languages

CODE = re.compile(r"^(`{3,}).*?(?:^\1$|\Z)|`[^`\n]*`|https?://\S+", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"“[^”\n]{1,200}”|\"[^\"\n]{1,200}\"|「[^」\n]{1,200}」|『[^』\n]{1,200}』|《[^》\n]{1,200}》")
LETTER = re.compile(r"[^\W\d_]")
SPACELESS_LETTER = re.compile(f"[{CJK}]")
STRANGERS = Path(__file__).parent / "strangers.toml"
LONG = 40_000  # characters, of which so many at the start and in the middle are read
SHORT = 1000  # characters of a text in which a quotation may be the better part
TELLING = 0.3  # what a word weighs by its script alone, where the script is that of one language
SHARED = 0.05  # the same, of a script of many languages: names and identifiers are written in it everywhere
ASKING = 2.0  # what it weighs that a text begins as a request does


def language_of(text: str, default: str = "") -> str:
    """The code of the language that a text is in; ``default`` where that cannot be told, or none has it."""
    prose = prose_of(text)
    found = {code: evidence(language, prose) for code, language in languages().items()}
    best = max(found, key=lambda code: found[code])
    return best if found[best] > 0 and not strange(prose, languages()[best]) else default


def nearest_language(text: str, known: Sequence[str]) -> str:
    """Of ``known`` codes, the one to speak about a text in: its own language, or one that has its script, or the first.

    A Japanese question is spoken of in Chinese, whose characters its reader knows, a German one in English.
    """
    told = language_of(text)
    if told in known:
        return told
    spaceless = [code for code in known if SPACELESS.intersection(languages()[code].scripts)]
    return spaceless[0] if spaceless and not told and len(SPACELESS_LETTER.findall(text)) >= 2 else known[0]


def prose_of(text: str) -> str:
    """What of a text is in its own words: without code, and without quotations where the rest says something."""
    middle = len(text) // 2
    sample = text if len(text) < LONG else text[: LONG // 2] + text[middle : middle + LONG // 2]
    told = CODE.sub(" ", sample)
    if len(told) <= SHORT and QUOTED.search(told):
        own = QUOTED.sub(" ", told)
        if any(signs(language, own)[0] for language in languages().values()):
            return own
    return told if LETTER.search(told) else sample


def evidence(language: Language, prose: str) -> float:
    """How much speaks for a language, in words: its function words, and a part of all that its script writes."""
    hits, words = signs(language, prose)
    if tells(language):
        return hits + TELLING * words
    return hits + SHARED * words if hits >= SHARED * words else 0.0


def signs(language: Language, prose: str) -> tuple[float, float]:
    """The function words of a language that a text has, with the word that begins a request; and all of its words.

    ``IT 部门``, ``A2 课程``: what is in capitals, or has a digit beside it, is a name.
    """
    words, hits = 0.0, 0.0
    for script in language.scripts:
        runs = runs_of(script).findall(prose)
        if script in SPACELESS:
            words += sum(map(len, runs)) / CHARACTERS_A_WORD
            pattern = function_pattern(language.code)
            hits += sum(len(pattern.findall(run)) for run in runs) if pattern else 0
        else:
            loud = all(map(str.isupper, filter(str.isalpha, prose)))
            lowered = [run.lower() if loud or not run.isupper() else "" for run in runs]
            words += len(lowered)
            hits += sum(word in language.lists.get("function", ()) for word in lowered)
            hits += ASKING * any(word in language.lists.get("asking", ()) for word in lowered[:1])
    return hits, words


def tells(language: Language) -> bool:
    """Whether a script of a language is that of no other, so that it tells the language by itself."""
    return "latin" not in language.scripts


def strange(prose: str, language: Language) -> bool:
    """Whether so much is written in letters of no known language that the text is in one of those."""
    own = sum(letters_of(script, prose) for script in language.scripts)
    kana = letters_of("kana", prose) if "han" in language.scripts and "kana" not in language.scripts else 0
    if kana > 0.1 * own and (kana > 20 or kana > 0.25 * own):
        return True
    others = len(LETTER.findall(prose)) - sum(letters_of(script, prose) for script in known_scripts())
    if tells(language):
        return others >= 0.5 * own and others > 0
    words = runs_of("latin").findall(prose)
    return (others >= 0.5 * len(words) and others > 0) or more_of_a_stranger(words, signs(language, prose)[0])


def more_of_a_stranger(words: list[str], hits: float) -> bool:
    """Whether an unknown language has more of its function words among ``words`` than the known one has.

    ``Los Angeles``, ``El Paso``: what begins with a capital letter within a text is a name.
    """
    loud = all(map(str.isupper, words))
    plain = [word.lower() for place, word in enumerate(words) if loud or not place or word.islower()]
    return any(sum(word in listed for word in plain) > hits for listed in strangers())


@cache
def strangers() -> tuple[frozenset[str], ...]:
    """The function words of each language that is told apart from the known ones, and no more."""
    found = tomllib.loads(STRANGERS.read_text(encoding="utf-8"))
    return tuple(frozenset(words.split()) for code, words in found.items() if code not in languages())


def letters_of(script: str, prose: str) -> int:
    return len(letter_of(script).findall(prose))


@cache
def letter_of(script: str) -> re.Pattern[str]:
    return re.compile(f"[{SCRIPTS[script]}]")


@cache
def known_scripts() -> frozenset[str]:
    """The scripts that some language is written in, with kana, which stand apart."""
    return frozenset(script for language in languages().values() for script in language.scripts) | {"kana"}


@cache
def runs_of(script: str) -> re.Pattern[str]:
    letters = SCRIPTS[script]
    apart = "" if script in SPACELESS else rf"[\d_{letters}]"
    return re.compile(rf"(?<!{apart})[{letters}]+(?!{apart})" if apart else f"[{letters}]+")


@cache
def function_pattern(code: str) -> re.Pattern[str] | None:
    """The function words of a language that is written without spaces, the longest first."""
    return pattern_of(languages()[code].lists.get("function", ()))


def pattern_of(words: Iterable[str]) -> re.Pattern[str] | None:
    ordered = sorted(words, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None
