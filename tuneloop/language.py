"""The user's language: English, or Simplified Chinese through gettext.

``TUNELOOP_LANGUAGE`` wins over ``LC_ALL``, ``LC_MESSAGES`` and ``LANG``; where one of these names a locale, gettext's
own ``LANGUAGE``, a list such as ``zh_CN:zh``, says which language its messages are in. Text is looked up when it is
shown, never when a module is imported, so one process can answer two people in two languages. What an artifact keeps,
such as the reason why a row was set aside, is English whoever made it (``stored``), and is translated by ``shown``.
"""

import gettext
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

LOCALES = Path(__file__).parent / "locale"
LANGUAGES = ("en", "zh")
FIELD = re.compile(r"\{[^{}]*\}")
chosen: ContextVar[str] = ContextVar("chosen", default="")


@lru_cache
def translation(language: str) -> gettext.NullTranslations:
    name = "zh_CN" if language == "zh" else language
    return gettext.translation("tuneloop", LOCALES, languages=[name], fallback=True)


def current_language() -> str:
    """``"zh"`` or ``"en"``, from the block around (``speaking``) or the environment."""
    if chosen.get():
        return chosen.get()
    for variable in ("TUNELOOP_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value and value not in ("C", "POSIX"):
            before = "" if variable == "TUNELOOP_LANGUAGE" else os.environ.get("LANGUAGE", "")
            return first_known(f"{before}:{value}")
    return "en"


def first_known(names: str) -> str:
    """The first language of ours in a list such as ``de_DE:zh_CN.UTF-8``, or English."""
    return next((n[:2].lower() for n in names.split(":") if n[:2].lower() in LANGUAGES), "en")


def _(text: str, language: str | None = None) -> str:
    """``text`` in the user's language (or in ``language``), or as it is where no translation exists."""
    return translation(language or current_language()).gettext(text) if text else text


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
    """A stored text in the user's language: ``REASON``, ``REASON: DETAIL`` or ``FIELD: REASON``.

    A detail and the name of a field stay as they are.
    """
    language = language or current_language()
    if language == "en" or not text:
        return text
    if (whole := _(text, language)) != text:
        return whole
    for pattern, source in templates(language):
        if found := pattern.fullmatch(text):
            return filled(_(source, language), FIELD.findall(source), found.groups())
    head, colon, detail = text.partition(": ")
    if not colon:
        return text
    told = shown(head, language) if " " in head else head
    return f"{told}：{detail}" if told != head else f"{head}: {shown(detail, language)}"


@lru_cache
def templates(language: str) -> list[tuple[re.Pattern[str], str]]:
    """The texts of the catalogue that have fields, each as a pattern; those with the most words of their own first."""
    texts = [text for text in getattr(translation(language), "_catalog", {}) if isinstance(text, str)]
    parts = {text: FIELD.split(text) for text in texts if FIELD.search(text)}
    telling = sorted((t for t in parts if len("".join(parts[t])) >= 8), key=lambda t: -len("".join(parts[t])))
    return [(re.compile("(.+)".join(map(re.escape, parts[text])), re.DOTALL), text) for text in telling]


def filled(text: str, fields: Sequence[str], values: Sequence[str]) -> str:
    """``text`` with each field replaced by its value: fields with a name by that, the others in order."""
    named = dict(zip(fields, values, strict=True))
    rest = iter(value for field, value in zip(fields, values, strict=True) if not field[1].isidentifier())
    return FIELD.sub(lambda f: named[f[0]] if f[0][1].isidentifier() else next(rest), text)
