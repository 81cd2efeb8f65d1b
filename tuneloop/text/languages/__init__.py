"""The languages that the rules know, each a file of data: ``en.toml`` beside this module.

A package adds one through the entry point group ``tuneloop.languages``: ``xx = module:xx``, where the module says
``xx = read_language(Path(__file__).parent / "xx.toml")``. What a file leaves out falls back: no abbreviation is known,
no word is left out of a search. ``lacking`` says what that is, and ``tuneloop doctor`` shows it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tuneloop.doors import Door
from tuneloop.language import _, stored
from tuneloop.scripts import SCRIPTS

FOLDER = Path(__file__).parent
NAMES = (stored("English"), stored("Chinese"))  # of the built-in languages, for the catalogue
LISTS = {  # what a language's file may list, and what is so where it does not
    "function": stored("short texts in it are told by their script alone"),
    "asking": stored("a request is not told by its first word"),
    "stop": stored("a search weighs all of its words"),
    "never_last": stored("any of its abbreviations ends a sentence"),
    "not_before_numbers": stored("any of its abbreviations ends a sentence"),
    "rarely_last": stored("any of its abbreviations ends a sentence"),
    "lettered": stored("a capital letter before a full stop is an initial"),
}


@dataclass(frozen=True)
class Language:
    """One language as its file says it. ``lists`` holds words in lower case, ``blocks`` patterns of a line's start."""

    code: str  # ISO 639: en, zh
    name: str  # in English, as ``name`` in a file is; shown in the reader's language
    scripts: tuple[str, ...]  # keys of SCRIPTS
    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)
    none: frozenset[str] = frozenset()  # lists that the language has no words for
    blocks: tuple[str, ...] = ()
    numerals: Mapping[str, str] = field(default_factory=dict)
    articles: Mapping[str, str] = field(default_factory=dict)

    def lacking(self) -> list[str]:
        """The lists that the file leaves out without saying that there is nothing to list."""
        return [name for name in LISTS if name not in self.lists and name not in self.none]


def read_language(path: Path) -> Language:
    """The language of a file, named by its code: ``en.toml``. Raises ``ValueError`` with what is wrong in it."""
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    words = dict(found.pop("words", {}))
    none = frozenset(str(words.pop("none", "")).split())
    facts = {key: found.pop(key, default) for key, default in (
        ("name", path.stem), ("scripts", []), ("blocks", []), ("numerals", {}), ("articles", {}),
    )}  # fmt: skip
    if unknown := sorted([*found, *(set(words) | none) - set(LISTS), *set(facts["scripts"]) - set(SCRIPTS)]):
        raise ValueError(_("{file} holds {name!r}, which no rule reads").format(file=path.name, name=unknown[0]))
    if not facts["scripts"]:
        raise ValueError(_("{file} does not say in which script the language is written").format(file=path.name))
    lists = {name: frozenset(text.lower().split()) for name, text in words.items()}
    return Language(
        path.stem, facts["name"], tuple(facts["scripts"]), lists, none, tuple(facts["blocks"]), facts["numerals"],
        facts["articles"],
    )  # fmt: skip


def __getattr__(name: str) -> Language:
    """A built-in language by its code, so that the door finds it as it finds those of packages."""
    path = FOLDER / f"{name}.toml"
    if name.startswith("_") or not path.is_file():
        raise AttributeError(name)
    return read_language(path)


def check_language(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no language, or one of another name."""
    if not isinstance(part, Language):
        raise ValueError(_("it is not a Language"))
    if part.code != name:
        raise ValueError(_("the language is named {called!r}").format(called=part.code))


def absent(name: str) -> str:
    return _("there is no language {name!r}").format(name=name)


LANGUAGES: Door[Language] = Door(
    "tuneloop.languages",
    {path.stem: f"{__name__}:{path.stem}" for path in sorted(FOLDER.glob("*.toml"))},
    absent=absent,
    check=check_language,
)


@cache
def languages() -> dict[str, Language]:
    """Every language that can be used, by its code."""
    return LANGUAGES.all()


@cache
def listed(name: str) -> frozenset[str]:
    """The words of a list, of all languages together: what a rule asks that is not told the language."""
    return frozenset().union(*(language.lists.get(name, frozenset()) for language in languages().values()))
