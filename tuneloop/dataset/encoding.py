"""The encoding of a text file that may be large: proved for UTF-8, guessed by common characters for Chinese ones."""

import codecs
from itertools import pairwise
from pathlib import Path

from tuneloop.errors import TuneloopError
from tuneloop.language import _

SAMPLE = 400_000  # bytes that a guess is made from
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SIGNATURES = {
    b"%PDF-": "PDF", b"PK\x03\x04": "Excel or ZIP", b"\xd0\xcf\x11\xe0": "Excel", b"\x1f\x8b": "gzip",
    b"SQLite format 3": "SQLite", b"GGUF": "GGUF", b"ARROW1": "Arrow",
}  # fmt: skip
COMMON = frozenset(
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动这這個國來們時會為對學のはをがにでとたし"
)


def detect_encoding(path: Path) -> str:
    """The Python name of the file's encoding. Raises ``TuneloopError`` for a file that is not text."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    for signature, kind in SIGNATURES.items():
        if sample.startswith(signature):
            raise TuneloopError(
                _("this is a file of another kind: {}").format(kind),
                where=path.name,
                hint=_("Export it as CSV or JSONL."),
            )
    for mark, encoding in MARKS:
        if sample.startswith(mark):
            return encoding
    if sample.count(0) > len(sample) // 100:
        raise TuneloopError(_("this is a binary file"), where=path.name, hint=_("Export it as CSV or JSONL."))
    return "utf-8" if is_utf8(path) else guess(sample)


def is_utf8(path: Path, tolerance: float = 0.001) -> bool:
    """Whether the file is UTF-8, but for rare damaged bytes. No other encoding gives long valid UTF-8 by chance."""
    decoder, bad, wide = codecs.getincrementaldecoder("utf-8")("replace"), 0, 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            text = decoder.decode(block)
            bad += text.count("\ufffd")
            wide += len(text) if not text.isascii() else 0
            if bad > 20 and bad > tolerance * wide:
                return False
    return bad <= tolerance * wide


def guess(sample: bytes) -> str:
    """GB18030 or Big5, where high bytes come in pairs and give common characters; otherwise Windows-1252."""
    high = [i for i, byte in enumerate(sample) if byte >= 0x80]
    pairs = sum(1 for a, b in pairwise(high) if b == a + 1)
    if pairs < len(high) // 3:
        return "cp1252"
    return max(("gb18030", "big5hkscs", "shift_jis", "euc_kr"), key=lambda name: plausibility(sample, name))


def plausibility(sample: bytes, encoding: str) -> float:
    text = sample.decode(encoding, "replace")
    return sum(1 for c in text if c in COMMON) - 3 * text.count("\ufffd")
