"""What packages say in other languages: the words of their stages, fields and reasons.

A package brings catalogues of gettext through the entry point group ``tuneloop.translations``: ``name = target``. The
target is a package's folder (``my_package.locale``), or in a module the path of a folder, or a function that gives one.
In it lies ``zh_CN/LC_MESSAGES/*.mo``; where ``name`` is a language's code, such as ``zh``, also ``LC_MESSAGES/*.mo``.
What Tuneloop says itself stays as it is; a catalogue that cannot be used is named with its package and left out.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tuneloop import language
from tuneloop.doors import Door
from tuneloop.language import _


def folder_of(part: Any) -> Path:
    """The folder that an entry point leads to. Raises ``ValueError`` where it leads to none."""
    if isinstance(part, ModuleType):
        part = next(iter(getattr(part, "__path__", ())), None)
    elif callable(part):
        part = part()
    if not isinstance(part, (str, Path)) or not Path(part).is_dir():
        raise ValueError(_("it leads to no folder"))
    return Path(part)


def files_of(name: str, folder: Path) -> list[tuple[str, Path]]:
    """The catalogues of a folder, each with the code of its language."""
    places = [(language.named(path.parent.name), path) for path in sorted(folder.glob("*/LC_MESSAGES"))]
    places += [(language.named(name), folder / "LC_MESSAGES")]
    return [(code, file) for code, place in places if code for file in sorted(place.glob("*.mo"))]


def read_catalogue(file: Path) -> gettext.GNUTranslations:
    """A compiled catalogue. Raises ``ValueError`` where it cannot be read, or would break a text that it translates."""
    try:
        with file.open("rb") as opened:
            found = gettext.GNUTranslations(opened)
    except Exception as error:  # gettext reads damaged offsets as they are: any exception may come of it
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(_("{file} is no catalogue: {reason}").format(file=file.name, reason=reason)) from error
    for text, told in language.entries(found).items():
        if text and not set(language.FIELD.findall(told)) <= set(language.FIELD.findall(text)):
            message = _("{file}: the translation of {text!r} has a field that the text has not")
            raise ValueError(message.format(file=file.name, text=text))
    return found


def check_translations(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part gives no catalogue, or one of them cannot be used."""
    files = files_of(name, folder_of(part))
    if not files:
        raise ValueError(_("there is no LC_MESSAGES/*.mo of a language that Tuneloop speaks"))
    for _code, file in files:
        read_catalogue(file)


def absent(name: str) -> str:
    return _("there are no translations {name!r}").format(name=name)


TRANSLATIONS: Door[Any] = Door("tuneloop.translations", {}, check=check_translations, absent=absent, shared=True)


def catalogues(code: str) -> Iterator[gettext.GNUTranslations]:
    """The catalogues of all packages for a language."""
    for key, part in TRANSLATIONS.all().items():
        for found, file in files_of(TRANSLATIONS.declared()[key].name, folder_of(part)):
            if found == code:
                yield read_catalogue(file)
