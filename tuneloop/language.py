"""The user's language: English, or Simplified Chinese through gettext.

``TUNELOOP_LANGUAGE`` wins over ``LC_ALL``, ``LC_MESSAGES`` and ``LANG``. Text is looked up when it is shown,
never when a module is imported, so one process can answer two people in two languages.
"""

import gettext
import os
from functools import lru_cache
from pathlib import Path

LOCALES = Path(__file__).parent / "locale"
LANGUAGES = ("en", "zh")


@lru_cache
def translation(language: str) -> gettext.NullTranslations:
    name = "zh_CN" if language == "zh" else language
    return gettext.translation("tuneloop", LOCALES, languages=[name], fallback=True)


def current_language() -> str:
    """``"zh"`` or ``"en"``, from the environment."""
    for variable in ("TUNELOOP_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value and value not in ("C", "POSIX"):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def _(text: str, language: str | None = None) -> str:
    """``text`` in the user's language (or in ``language``), or as it is where no translation exists."""
    return translation(language or current_language()).gettext(text) if text else text
