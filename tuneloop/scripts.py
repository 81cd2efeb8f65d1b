"""The scripts that the rules ask for: ranges for the inside of a character class, once.

``CJK`` is what is written without spaces between words; ``HAN`` is the part of it that Chinese and Japanese share.
"""

import re

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
KANA = "\u3040-\u30ff\uff66-\uff9f"
CJK = KANA + HAN
SPACED = rf"[^\W{CJK}]"  # letters, digits and _ of every script that writes spaces
CHINESE = re.compile(f"[{HAN}]")

# The scripts that a language's file may name. Words of a spaceless one are counted by characters.
SCRIPTS = {
    "latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "cyrillic": "\u0400-\u052f",
    "hebrew": "\u0590-\u05ff",
    "arabic": "\u0600-\u06ff\u0750-\u077f",
    "devanagari": "\u0900-\u097f",
    "thai": "\u0e00-\u0e7f",
    "hangul": "\u1100-\u11ff\uac00-\ud7af",
    "kana": KANA,
    "han": HAN,
}
SPACELESS = frozenset({"han", "kana", "thai"})
CHARACTERS_A_WORD = 1.5  # of a spaceless script
