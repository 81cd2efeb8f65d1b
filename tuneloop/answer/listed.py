"""The words that are data, in ``words/NAME.toml``: each file is read once, whoever asks."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "words"


@cache
def words(name: str) -> dict[str, Any]:
    """What a file of ``words`` holds: ``en`` and ``zh`` of a language, ``units`` and the like of all."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def in_both(table: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A table of the English words and the same of the Chinese."""
    return words("en")[table], words("zh")[table]
