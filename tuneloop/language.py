"""The user's language: English, or Simplified Chinese through gettext.

``TUNELOOP_LANGUAGE`` wins, then the ``language`` of the workspace's ``tuneloop.toml`` (which ``settings`` tells by
``use``), then the locale. Text is looked up when it is shown, never when a module is imported, so one process can
answer two people in two languages. What an artifact keeps, such as the reason why a row was set aside, is English
whoever made it (``stored``), and is translated by ``shown``.
"""

import gettext
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuneloop.overheard import OVERHEARD
from tuneloop.scripts import CHINESE

LOCALES = Path(__file__).parent / "locale"
LANGUAGES = ("en", "zh")
PROSE = re.compile(r"[A-Za-z]{2}")
FIELD = re.compile(r"\{[^{}]*\}")
QUOTED = r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\[({].*[\])}]|[^\s'"]+)"""  # as repr writes a value
BREAK = re.compile(r"\. (?=[A-Z])")  # between a message and its hint
MOST_BREAKS = 4
MOST_LISTED = 16
ASIDE = re.compile(r"(.+?) \((.+)\)", re.DOTALL)
PLACED = re.compile(r"(.*?):?(?: \(([^()]*)\))?", re.DOTALL)
chosen: ContextVar[str] = ContextVar("chosen", default="")
known: dict[str, gettext.NullTranslations] = {}  # by language
others: Callable[[str], Iterable[gettext.NullTranslations]] | None = None  # see ``ask_also``
of_workspace = ""  # what the tuneloop.toml of this process's workspace says


class Text(str):
    """A text of the catalogue that remembers how it was made, so that it can be told again in another language."""

    __slots__ = ("named", "source", "values")

    def __new__(cls, text: str, source: str = "", values: Sequence[Any] = (), named: dict[str, Any] | None = None):
        made = super().__new__(cls, text)
        made.source, made.values, made.named = source, values, named or {}
        return made

    def format(self, *values: Any, **named: Any) -> "Text":
        return Text(super().format(*values, **named), self.source, values, named)


def kept(value: Any) -> Any:
    """A text, or a value within one, as JSON that ``retold`` tells again: with its source where that is known."""
    if isinstance(value, Text) and value.source:
        named = {name: kept(one) for name, one in value.named.items()}
        return {"text": value.source, "values": [kept(one) for one in value.values], "named": named}
    return value if isinstance(value, int | float) else str(value)


def retold(value: Any, language: str | None = None) -> Any:
    """What ``kept`` gave, in the user's language; of a text without a source as much as ``shown`` finds."""
    if isinstance(value, str):
        return shown(value, language)
    if not isinstance(value, dict):
        return value
    if not value["values"] and not value["named"]:
        return _(value["text"], language)
    named = {name: retold_field(name, one, language) for name, one in value["named"].items()}
    return _(value["text"], language).format(*(retold(one, language) for one in value["values"]), **named)


def retold_field(name: str, value: Any, language: str | None) -> Any:
    """The same of what stands in a field: what somebody else said is quoted as the reader's language quotes."""
    told = retold(value, language)
    if isinstance(value, str) and (name == "said" or (name == "reason" and told == value)):
        return marked(value.strip("“”"), language)
    return told


def in_turn(reasons: Iterable[tuple[str, str]]) -> Text:
    """Places with the stored reason of each, in one line."""
    parts: list[str] = []
    for where, reason in reasons:
        told = _("{where}: {reason}").format(where=where, reason=shown(reason))
        parts += [Text(told, "{where}: {reason}", (), {"where": where, "reason": reason}), _("; ")]
    return Text("".join(parts[:-1]), "{}" * len(parts[:-1]), parts[:-1])


def translation(language: str) -> gettext.NullTranslations:
    """The catalogue of a language: ours, then those of installed packages (see ``tuneloop.translations``)."""
    if language not in known:
        name = "zh_CN" if language == "zh" else language
        known[language] = gettext.translation("tuneloop", LOCALES, languages=[name], fallback=True)
        if others and language != "en":  # what is said while packages are asked is in ours alone
            whole = gettext.translation("tuneloop", LOCALES, languages=[name], fallback=True)
            for more in others(language):
                whole.add_fallback(more)
            known[language] = whole
            templates.cache_clear()
    return known[language]


def ask_also(catalogues: Callable[[str], Iterable[gettext.NullTranslations]]) -> None:
    """From now on texts that are not ours are looked up in these catalogues of a language."""
    global others
    others = catalogues
    known.clear()
    templates.cache_clear()


def entries(catalogue: gettext.NullTranslations | None) -> dict[str, str]:
    """Every text of a catalogue and of those behind it, with its translation; the first that has one counts."""
    if catalogue is None:
        return {}
    own = {text: told for text, told in getattr(catalogue, "_catalog", {}).items() if isinstance(text, str)}
    return entries(getattr(catalogue, "_fallback", None)) | own


def current_language() -> str:
    """``"zh"`` or ``"en"``, from the block around (``speaking``), the configuration or the locale. Never empty."""
    return chosen.get() or configured_language() or language_of_locale()


def configured_language() -> str:
    """``"zh"`` or ``"en"`` where ``TUNELOOP_LANGUAGE`` or the workspace's ``tuneloop.toml`` says it, or ``""``.

    A page that knows its reader's browser asks this first, and the browser where it is empty.
    """
    if value := os.environ.get("TUNELOOP_LANGUAGE", ""):
        return named(value) or "en"
    return of_workspace


def use(language: str) -> None:
    """From now on the texts of this process are in ``language`` where ``TUNELOOP_LANGUAGE`` does not say otherwise.

    ``""``: in that of the locale.
    """
    global of_workspace
    of_workspace = language if language in LANGUAGES else ""


def language_of_locale() -> str:
    """What the locale says, read as gettext reads it: ``LANGUAGE``, a list, counts unless the locale is ``C``."""
    locale = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    if locale.partition(".")[0] in ("C", "POSIX"):
        return "en"
    wished = (named(value) for value in os.environ.get("LANGUAGE", "").split(":"))
    return next(filter(None, wished), "") or named(locale) or "en"


def named(value: str) -> str:
    """The language that ``zh_CN.UTF-8`` or ``en`` names, or "" where we do not have it."""
    language = re.split("[-_.@]", value.strip().lower())[0]
    return language if language in LANGUAGES else ""


def _(text: str, language: str | None = None) -> str:
    """``text`` in the user's language (or in ``language``), or as it is where no translation exists."""
    return Text(translation(language or current_language()).gettext(text), text) if text else text


def agreeing(count: float, one: str, many: str) -> str:
    """Of two texts the one that goes with a number: English has a form for one, Chinese does not."""
    return one if count == 1 else many


def joined(names: Iterable[str]) -> str:
    """Names or short facts in a row, as the user's language writes one: ``a, b`` or ``a、b``."""
    return ("、" if current_language() == "zh" else ", ").join(names)


def colon() -> str:
    """What stands between a label and what it labels."""
    return "：" if current_language() == "zh" else ": "


def labelled(name: str, text: str) -> str:
    """``name: text``, with the colon of the language that the text is in."""
    return f"{name}{colon() if CHINESE.search(text) else ': '}{text}"


def strung(parts: Iterable[str]) -> str:
    """Statements in a row: ``a; b`` or ``a；b``."""
    return ("；" if current_language() == "zh" else "; ").join(parts)


def marked(text: str, language: str | None = None) -> str:
    """Words that are somebody else's, in quotation marks where they stand in a Chinese line."""
    language = language or current_language()
    return f"“{text}”" if language == "zh" and PROSE.search(text) and not CHINESE.search(text) else text


def aside(text: str) -> str:
    """What is added to a word in brackets, with the space before it: `` (text)`` or ``（text）``."""
    return f"（{text}）" if current_language() == "zh" else f" ({text})"


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Texts looked up within the block are in ``language``: English where a message ends in an artifact."""
    token = chosen.set(language)
    try:
        yield
    finally:
        chosen.reset(token)


def stored(text: str) -> str:
    """``text`` itself, marked for the catalogue: an artifact must not depend on who made it."""
    return text


def shown(text: str, language: str | None = None) -> str:
    """A stored text in the user's language: ``REASON``, ``REASON: DETAIL`` or ``FIELD: REASON``, with a hint behind it.

    A detail and the name of a field stay as they are, but for what the system says ("Permission denied"). The reason
    within a message is told too, and what a server said (``{said}``) is quoted. Otherwise a text is told as a whole or
    left as a whole: half of a sentence in each language is in none.
    """
    language = language or current_language()
    if language == "en" or not text:
        return text
    if (whole := _(text, language)) != text:
        return whole
    ways = (by_sentence, by_list, by_aside, by_template, by_part)
    return next(filter(None, (way(text, language) for way in ways)), text)


def by_sentence(text: str, language: str) -> str:
    """A message and its hint as ``TuneloopError`` joins them, where all of it can be told; "" otherwise."""
    breaks = list(BREAK.finditer(text))
    for found in breaks if len(breaks) <= MOST_BREAKS else ():
        first, rest = text[: found.start()], text[found.end() :]
        told = next((told for one in (first, f"{first}.") if (told := shown(one, language)) != one), "")
        hint = shown(rest, language) if told else rest
        if hint != rest:
            return told.rstrip(".。") + (". " if hint[0].isascii() else "。") + hint
    return ""


def by_list(text: str, language: str) -> str:
    """Several stored texts in a row, where each can be told; "" otherwise."""
    parts = text.split("; ")
    told = [shown(part, language) for part in parts] if 1 < len(parts) <= MOST_LISTED else []
    return "；".join(told) if told and all(one != part for one, part in zip(told, parts, strict=True)) else ""


def by_aside(text: str, language: str) -> str:
    """A text and another behind it in brackets, where both can be told; "" otherwise."""
    if not (found := ASIDE.fullmatch(text)):
        return ""
    told = [shown(part, language) for part in found.groups()]
    return f"{told[0]}（{told[1]}）" if all(a != b for a, b in zip(told, found.groups(), strict=True)) else ""


def by_template(text: str, language: str) -> str:
    """A text with fields, where the fields hold names and numbers, or a detail behind a colon; "" otherwise."""
    for pattern, source in templates(language):
        if (found := pattern.fullmatch(text)) and not holds_prose(source, found.groups()):
            fields, before = FIELD.findall(source), FIELD.split(source)
            values = [field_told(*each, language) for each in zip(fields, before, found.groups(), strict=False)]
            return filled(_(source, language), fields, values)
    return ""


def field_told(field: str, before: str, value: str, language: str) -> str:
    """What stands in a field: a reason is a text of ours or of the system, ``{said}`` is somebody else's."""
    told = overheard(value, language)
    if told == value and field != "{said}" and before.endswith(": ") and " " in value:
        told = shown(value, language)
    return marked(told, language) if field == "{said}" or (field == "{reason}" and told == value) else told


def holds_prose(source: str, values: Sequence[str]) -> bool:
    """Whether a field took in what is a sentence: more words than the text has itself, or the end of one."""
    own = FIELD.split(source)
    letters = sum(map(str.isalpha, "".join(own)))
    for before, value in zip(own, values, strict=False):
        words = re.findall(r"[a-z]+(?= )|(?<= )[a-z]+", value)
        if not before.endswith(": ") and (len("".join(words)) > letters or BREAK.search(value)):
            return True
    return False


def by_part(text: str, language: str) -> str:
    """``REASON: DETAIL`` or ``FIELD: REASON``, or the text as it is."""
    head, colon, detail = text.partition(": ")
    if not colon:
        return text
    told = shown(head, language) if " " in head else head
    if told != head:
        return f"{told}：{overheard(detail, language)}"
    told = shown(detail, language)
    return f"{head}：{told}" if told != detail else text


def overheard(text: str, language: str) -> str:
    """What the system or a library says, with the place behind it, where we know it; any other text as it is."""
    said, place = PLACED.fullmatch(text).groups()  # type: ignore[union-attr] (it matches anything)
    return _(said, language) + (f"（{place}）" if place else "") if said in OVERHEARD else text


@lru_cache
def templates(language: str) -> list[tuple[re.Pattern[str], str]]:
    """The texts of the catalogue that have fields, each as a pattern; those with the most words of their own first."""
    parts = {text: FIELD.split(text) for text in entries(translation(language)) if FIELD.search(text)}
    telling = sorted((t for t in parts if len("".join(parts[t])) >= 8), key=lambda t: -len("".join(parts[t])))
    return [(pattern_of(text), text) for text in telling]


def pattern_of(text: str) -> re.Pattern[str]:
    """What a text with fields looks like when it is filled in."""
    fields = [QUOTED if field.endswith("!r}") else "(.+)" for field in FIELD.findall(text)] + [""]
    return re.compile("".join(re.escape(p) + f for p, f in zip(FIELD.split(text), fields, strict=True)), re.DOTALL)


def filled(text: str, fields: Sequence[str], values: Sequence[str]) -> str:
    """``text`` with each field replaced by its value: fields with a name by that, the others in order."""
    named = dict(zip(fields, values, strict=True))
    rest = iter(value for field, value in zip(fields, values, strict=True) if not field[1].isidentifier())
    return FIELD.sub(lambda f: named[f[0]] if f[0][1].isidentifier() else next(rest), text)
