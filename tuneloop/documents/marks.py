"""What the look of text says: raised, lowered, struck out, or drawn in a font of symbols. Lost, it changes the meaning:
10⁶ would read 106, a price that no longer holds would read as one that does, and ≤ would be gone.
"""

import re

from tuneloop.documents.formula import grouped

FOR_LOOKS = re.compile(r"st|nd|rd|th|er|re|e|ème|o|a|tm|sm|[®™©*†‡]+|[\[【〔①-⑳].*", re.I)  # 1st, n°, a note's mark
MARKED = re.compile(r"(\s*(?:- |\d+\. )?)(.*?)(\s*)", re.DOTALL)
# The Symbol font (Adobe's encoding), from its codes 0x20 and 0xA0
SYMBOL = {
    code: character
    for first, characters in (
        (0x20, " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"),
        (0xA0, "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪"),
        (0xF1, "〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"),
    )
    for code, character in enumerate(characters, first)
}
WINGDINGS = {
    0xFE: "☑", 0xFD: "☒", 0xA8: "☐", 0x6F: "☐", 0xFC: "✓", 0xFB: "✗", 0x6C: "●", 0x6E: "■", 0xA7: "▪", 0xD8: "➢",
    0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔",
}  # fmt: skip
NOT_KNOWN = "\ufffd"


def raised(before: str, text: str) -> str:
    """``text`` that stands above the line after a character: ``^6``."""
    bare = text.strip()
    says_something = any(map(str.isalnum, bare)) and not FOR_LOOKS.fullmatch(bare)
    if not before or not says_something or not (before.isalnum() or before in ")]}%"):
        return text
    return "^" + (bare if bare.lstrip("+-−").isdecimal() else grouped(bare))


def lowered(before: str, text: str) -> str:
    """``text`` that stands below the line: marked only where two numbers would run into one."""
    return f"_{text.strip()}" if before.isdecimal() and text.strip()[:1].isdecimal() else text


def struck(text: str) -> str:
    """Text struck out as Markdown has it; the marker of a list item and space around stay outside."""
    found = MARKED.fullmatch(text)
    return f"{found[1]}~~{found[2]}~~{found[3]}" if found and found[2] else text


def symbol_text(font: str, code: str) -> str:
    """The character that Word names by a font and a hexadecimal code, such as ``Symbol`` and ``F0A3``: ≤."""
    try:
        number = int(code, 16)
    except ValueError:
        return NOT_KNOWN
    place = number & 0xFF if number < 0x100 or 0xF000 <= number < 0xF100 else -1
    if font.lower() == "symbol":
        return SYMBOL.get(place, NOT_KNOWN)
    if font.lower().startswith("wingdings"):
        return WINGDINGS.get(place, NOT_KNOWN)
    return NOT_KNOWN if 0xE000 <= number < 0xF900 or not chr(number).isprintable() else chr(number)
