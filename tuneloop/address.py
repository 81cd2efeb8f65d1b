"""Kinds, names and addresses of artifacts."""

from __future__ import annotations

import re
import unicodedata

from tuneloop.errors import TuneloopError
from tuneloop.language import _

Kind = str  # the name of a kind of artifact; ``tuneloop.kinds`` says which there are, and a package may add some
KIND = re.compile(r"[a-z][a-z0-9_-]{0,15}")  # as wide as the column of the database
NAME = re.compile(r"[^\W_][\w.-]*(@[\w.-]+)?")

LIKE_A_HASH = re.compile(r"(?=.*[a-f])[0-9a-f]{8,64}")  # what is read as an address; a date such as 20260131 is none

LONGEST_NAME = 200  # characters
FILE_NAME = 100  # of a name that comes from a file


def name_from(text: str) -> str:
    """The name that an artifact gets from a file, a folder or a model: ``My docs (new)`` gives ``My-docs-new``.

    ``""`` where ``text`` has no letter and no digit. Accents that are written apart, as on macOS, are put together, and
    what reads like the digits of an address gets a letter before it.
    """
    name = re.sub(r"[^\w.-]+", "-", composed(text)).strip("-._")[:FILE_NAME].rstrip("-._")
    return f"n-{name}" if LIKE_A_HASH.fullmatch(name) else name


def composed(text: str) -> str:
    """A text with its accents in one character each: a name is the same on macOS and elsewhere."""
    return unicodedata.normalize("NFC", text)


class Address(str):
    """Kind and content hash of an artifact, as the text ``dataset:8375c389…`` in full.

    It is a text, so it stands wherever a reference may: ``Split(dataset=result.address)``.
    """

    __slots__ = ()

    def __new__(cls, kind: str, digest: str) -> Address:
        """``digest``: SHA-256, 64 hex digits."""
        return super().__new__(cls, f"{kind}:{digest}")

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override] (a text has one, this has two)
        return self.kind, self.hash

    @property
    def kind(self) -> str:
        return self.partition(":")[0]

    @property
    def hash(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """``dataset:8375c3890b21``, for people."""
        return f"{self.kind}:{self.hash[:12]}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that a text is. Raises ``TuneloopError`` for anything but a full address."""
        kind, _colon, digest = text.partition(":")
        if not KIND.fullmatch(kind) or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise TuneloopError(
                _("{text!r} is not the address of an artifact").format(text=text), hint=_("Expected KIND:SHA256.")
            )
        return cls(kind, digest)
