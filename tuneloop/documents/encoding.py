"""Which encoding a text file is in: UTF-8, UTF-16, GB18030, Big5, or what charset-normalizer finds.

UTF-8 proves itself: text in another encoding is almost never valid UTF-8. The Chinese encodings do not, because each
decodes the other's bytes to something. What tells them apart is that the right one gives common characters.
"""

import codecs
import re

from tuneloop.documents.blocks import Unreadable
from tuneloop.language import stored

SAMPLE = 200_000  # bytes that decide
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SIGNATURES = {
    b"%PDF-": "PDF", b"PK\x03\x04": "ZIP (or Office)", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF",
    b"\x1f\x8b": "gzip", b"\x7fELF": "program", b"\xd0\xcf\x11\xe0": "legacy Office", b"Rar!": "RAR",
    b"7z\xbc\xaf": "7z", b"SQLite format 3": "SQLite", b"PAR1": "Parquet", b"GGUF": "GGUF",
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
BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
CONTROL = re.compile("[\u0000-\u0008\u000e-\u001a\u001c-\u001f]")
WESTERN = re.compile("[À-ÖØ-öø-ÿ‘’“”–—€£©®°«»§…œŒšŽž]")


def decode(data: bytes) -> tuple[str, str]:
    """The text and the name of its encoding. Raises ``Unreadable`` for what is not text."""
    for signature, kind in SIGNATURES.items():
        if data.startswith(signature):
            raise Unreadable(stored("not text: its content is {}").format(kind))
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return checked(data.decode(encoding, "replace"), encoding)
    if encoding := wide_without_mark(data):
        return checked(data.decode(encoding, "replace"), encoding)
    try:
        return checked(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        pass
    if len(BINARY.findall(data[:SAMPLE])) > 0.02 * len(data[:SAMPLE]):
        raise Unreadable(stored("not text: binary data"))
    encoding = guess(data)
    return checked(data.decode(encoding, "replace"), encoding)


def checked(text: str, encoding: str) -> tuple[str, str]:
    sample = text[:SAMPLE]
    odd = len(CONTROL.findall(sample)) + sample.count("\ufffd")
    if odd > 3 and odd > 0.02 * len(sample):
        raise Unreadable(stored("not text: binary data"))
    return text, encoding


def wide_without_mark(data: bytes) -> str:
    """UTF-16 without a mark: zero bytes at every second place, or common characters in one order only."""
    sample = data[: SAMPLE // 2 * 2]
    if len(sample) < 4 or len(data) % 2:
        return ""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.05 * half:
        return "utf-16-be"
    if even + odd == 0:
        return ""  # Chinese in UTF-16 still has line ends, digits or punctuation with a zero byte
    scores = {name: plausibility(sample.decode(name, "replace"), SIMPLIFIED | TRADITIONAL) for name in UTF16}
    best = max(UTF16, key=lambda name: scores[name])
    return best if scores[best] > 0.3 else ""


UTF16 = ("utf-16-le", "utf-16-be")


def guess(data: bytes) -> str:
    """The most plausible encoding of bytes that are not valid UTF-8."""
    sample = data[:SAMPLE]
    wide = sum(1 for byte in sample if byte >= 0x80)
    broken = sample.decode("utf-8", "replace").count("\ufffd")
    if broken * 50 < wide or (wide > 3 and broken <= 1):
        return "utf-8"  # valid but for a few damaged bytes, or cut in the middle of a character
    scores = {
        "gb18030": plausibility(sample.decode("gb18030", "replace"), SIMPLIFIED),
        "big5hkscs": plausibility(sample.decode("big5hkscs", "replace"), TRADITIONAL),
    }
    best = max(scores, key=lambda name: scores[name])
    if scores[best] > 0.25:
        return best
    return other_encoding(sample)


def plausibility(text: str, common: frozenset[str]) -> float:
    """The share of common characters among the Chinese ones, less the share of what could not be decoded."""
    han = HAN.findall(text)
    bad = text.count("\ufffd") + len(CONTROL.findall(text))
    if not han:
        return 0.0
    return sum(1 for character in han if character in common) / len(han) - 3 * bad / len(han)


def other_encoding(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    western = sample.decode("cp1252", "replace")
    wide = [c for c in western if ord(c) > 127]
    if wide and len(wide) < 0.35 * len(western) and sum(1 for c in wide if WESTERN.match(c)) > 0.9 * len(wide):
        return "cp1252"
    best = from_bytes(sample[:20_000]).best()
    if best is None:
        raise Unreadable(stored("not text, or in an encoding that was not recognized"))
    return best.encoding
