"""Which encoding a text is in: UTF-8, UTF-16, GB18030, Big5, Shift JIS, or what charset-normalizer finds.

UTF-8 proves itself: text in another encoding is almost never valid UTF-8. The Chinese encodings do not, because each
decodes the other's bytes to something. What tells them apart is that the right one gives common characters.
"""

import codecs
import os
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from tuneloop.language import stored
from tuneloop.scripts import CJK

SAMPLE = 400_000  # bytes that a guess is made from
BLOCK = 1 << 20  # bytes of a file read at once
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SIGNATURES = {
    b"%PDF-": "PDF", b"PK\x03\x04": "ZIP, Word or Excel", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF",
    b"\x1f\x8b": "gzip", b"\x7fELF": "program", b"\xd0\xcf\x11\xe0": "legacy Office", b"Rar!": "RAR",
    b"7z\xbc\xaf": "7z", b"SQLite format 3": "SQLite", b"PAR1": "Parquet", b"GGUF": "GGUF", b"ARROW1": "Arrow",
}  # fmt: skip

SIMPLIFIED = frozenset(
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着"
    "等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新"
    "线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活"
    "设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处队南给色光门即保治北造百规"
    "热领七海口东导器压志世金增争济阶油思术极交受联什认六共权收证改清己美再采转更单风切打白教速花带安场身车例真务具万每目至达走积示议声报斗完"
    "药患医病疗服请您吗可以症检查建议痛血"
)
TRADITIONAL = frozenset(
    "的一是在不了有和人這中大為上個國我以要他時來用們生到作地於出就分對成會可主發年動同工也能下過子說產種面而方後多定行學法所民得經十三之進著"
    "等部度家電力裡如水化高自二理起小物現實加量都兩體制機當使點從業本去把性好應開它合還因由其些然前外天政四日那社義事平形相全表間樣與關各重新"
    "線內數正心反你明看原又麼利比或但質氣第向道命此變條只沒結解問意建月公無系軍很情者最立代想已通並提直題黨程展五果料象員革位入常文總次品式活"
    "設及管特件長求老頭基資邊流路級少圖山統接知較將組見計別她手角期根論運農指幾九區強放決西被幹做必戰先回則任取據處隊南給色光門即保治北造百規"
    "熱領七海口東導器壓志世金增爭濟階油思術極交受聯什認六共權收證改清己美再採轉更單風切打白教速花帶安場身車例真務具萬每目至達走積示議聲報鬥完"
)
JAPANESE = frozenset(map(chr, range(0x3041, 0x3094)))  # hiragana
BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
CONTROL = re.compile("[\u0000-\u0008\u000e-\u001a\u001c-\u001f]")
LETTER = re.compile(f"[{CJK}]")  # Chinese and Japanese
WESTERN = re.compile("[À-ÖØ-öø-ÿ‘’“”–—€£©®°«»§…œŒšŽž]")
UTF16 = ("utf-16-le", "utf-16-be")
ASCII, HIGH = bytes(range(0x80)), bytes(range(0x80, 0x100))
ESCAPED = re.compile(rb"\\x([89a-f][0-9a-f])")


class NotText(Exception):
    """What was read is not text. ``reason`` is English (see ``language.stored``); ``kind`` names a known format."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.reason, self.kind = reason, kind


def decode(data: bytes) -> tuple[str, str]:
    """The text and the name of its encoding. Raises ``NotText``."""
    encoding = find_encoding(data[:SAMPLE], [data])
    text = data.decode(encoding, "replace")
    if mostly_odd(text[:SAMPLE]):
        raise NotText(stored("not text: binary data"))
    return text, encoding


def detect(path: Path) -> str:
    """The name of a file's encoding; the file may be larger than memory. Raises ``NotText``."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
        file.seek(0)
        return find_encoding(sample, iter(lambda: file.read(BLOCK), b""))


def find_encoding(sample: bytes, whole: Iterable[bytes]) -> str:
    """The encoding of ``whole``, which comes in blocks and begins with ``sample``."""
    for signature, kind in SIGNATURES.items():
        if sample.startswith(signature):
            raise NotText(stored("not text: its content is {}").format(kind), kind)
    for mark, encoding in MARKS:
        if sample.startswith(mark):
            return encoding
    if encoding := wide_without_mark(sample):
        return encoding
    if too_many(len(BINARY.findall(sample)), len(sample)):
        raise NotText(stored("not text: binary data"))
    utf8, telling = look(whole)
    return "utf-8" if utf8 else guess(telling)


def too_many(odd: int, total: int) -> bool:
    """Whether so many characters cannot be in a text: a few in a page are damage, one of three is no text at all."""
    return odd > 0.02 * total and (odd > 3 or odd > 0.25 * total)


def mostly_odd(text: str) -> bool:
    return too_many(len(CONTROL.findall(text)) + text.count("\ufffd"), len(text))


def wide_without_mark(sample: bytes) -> str:
    """UTF-16 without a mark: zero bytes at every second place, or common characters in one order only."""
    sample = sample[: len(sample) // 2 * 2]
    if len(sample) < 4:
        return ""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if even + odd == 0:
        return ""  # Chinese in UTF-16 still has line ends, digits or punctuation with a zero byte
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros > 0.3 * half and others < 0.05 * half:
            text = sample.decode(name, "replace")
            return "" if CONTROL.search(text) else name  # counting bytes are no text, though every second is zero
    scores = {name: plausibility(sample.decode(name, "replace"), SIMPLIFIED | TRADITIONAL) for name in UTF16}
    best = max(UTF16, key=lambda name: scores[name])
    return best if scores[best] > 0.3 else ""


def look(blocks: Iterable[bytes]) -> tuple[bool, bytes]:
    """Whether the bytes are UTF-8, but for rare damaged ones or a last character that was cut off; and a sample of
    them from where they stop to be ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    broken = high = 0
    before, rest, sample = "", b"", b""
    for block in blocks:
        text = decoder.decode(block)
        rest = decoder.getstate()[0]
        if not block.isascii():
            broken += text.count("\ufffd")
            high += len(block) - len(block.translate(None, HIGH))
            start = 0 if sample else max(0, len(block) - len(block.lstrip(ASCII)) - 1000)
            sample += block[start : start + SAMPLE - len(sample)]
        before = text[-1:] or before
        if broken > 100 and broken * 50 >= high and len(sample) == SAMPLE:
            return False, sample
    if broken == 0 and rest:
        # One lone byte at the end may as well be the é of an otherwise plain "café" in a western encoding.
        return high > len(rest) or len(rest) > 1 or (bool(before) and not before.isalpha()), sample
    return broken * 50 < high or broken == 0 or (high > 3 and broken + bool(rest) <= 1), sample


def guess(sample: bytes) -> str:
    """The most plausible encoding of bytes that are not UTF-8. Raises ``NotText`` where there is none."""
    high = [place for place, byte in enumerate(sample) if byte >= 0x80]
    pairs = sum(1 for one, two in pairwise(high) if two == one + 1)
    if pairs >= len(high) // 3:
        scores = {
            "gb18030": plausibility(sample.decode("gb18030", "replace"), SIMPLIFIED),
            "big5hkscs": plausibility(sample.decode("big5hkscs", "replace"), TRADITIONAL),
            "shift_jis": plausibility(sample.decode("shift_jis", "replace"), JAPANESE),
        }
        best = max(scores, key=lambda name: scores[name])
        if scores[best] > 0.25:
            return best
    return other_encoding(sample)


def plausibility(text: str, common: frozenset[str]) -> float:
    """The share of common characters among those of East Asia, less the share of what could not be decoded."""
    letters = LETTER.findall(text)
    bad = text.count("\ufffd") + len(CONTROL.findall(text))
    if not letters:
        return 0.0
    return sum(1 for letter in letters if letter in common) / len(letters) - 3 * bad / len(letters)


def other_encoding(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    western = sample.decode("cp1252", "replace")
    wide = [c for c in western if ord(c) > 127]
    if wide and len(wide) < 0.35 * len(western) and sum(1 for c in wide if WESTERN.match(c)) > 0.9 * len(wide):
        return "cp1252"
    best = from_bytes(sample[:20_000]).best()
    if best is None:
        raise NotText(stored("not text, or in an encoding that was not recognized"))
    return best.encoding


# -- names of files, which may be any bytes: Python holds those that are not UTF-8 as lone surrogates ----------------


def plain_text(text: str) -> str:
    """``text`` as any file, database or reply can hold it: each byte that is not UTF-8 is written as ``\\xb2``.

    Raises ``ValueError``, in words for the user, where it holds NUL or half a surrogate pair.
    """
    if "\0" in text:
        raise ValueError(stored("a text may not hold the character NUL"))
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        raise ValueError(stored("half a character (a lone surrogate)")) from None


def meant_path(text: str) -> str:
    """The path that ``plain_text`` was made from."""
    if "\\x" not in text or os.path.lexists(text):
        return text
    data = ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode("utf-8", "surrogateescape"))
    return data.decode("utf-8", "surrogateescape")


def readable_name(path: str) -> str:
    """A path for people: a name that is not UTF-8 is read as Chinese where it can be, and else as ``plain_text``."""
    return "/".join(map(readable_part, path.split("/")))


def readable_part(name: str) -> str:
    data = name.encode("utf-8", "surrogateescape")
    readings: dict[str, float] = {}
    for encoding, common in (("utf-8", None), ("gb18030", SIMPLIFIED), ("big5hkscs", TRADITIONAL)):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if common is None:
            return text
        readings.setdefault(text, plausibility(text, common))
    return max(readings, key=lambda text: readings[text]) if readings else plain_text(name)
