"""Words that decide how a statement is read: those that carry no fact, turn its meaning, or name opposites."""

import re
import tomllib
from pathlib import Path

from tuneloop.knowledge.terms import stem
from tuneloop.text.tokens import word_set

ENGLISH, CHINESE = (
    tomllib.loads((Path(__file__).parent / "words" / f"{code}.toml").read_text(encoding="utf-8"))
    for code in ("en", "zh")
)
# Characters that tie Chinese words together; content lies between them.
TIES = CHINESE["light"]["ties"]
LIGHT_ZH = re.compile("|".join([*CHINESE["light"]["patterns"].split(), f"[{TIES}不没无未非必须应只仅每]"]))
LIGHT_EN = frozenset(stem(word) for word in word_set(ENGLISH["light"]["words"]))

CUE = {kind: re.compile(f"{english}|{CHINESE['cues'][kind]}") for kind, english in ENGLISH["cues"].items()}
# Words that contain one of these and turn nothing.
INERT = re.compile("|".join([*CHINESE["plain"]["words"].split(), *ENGLISH["plain"]["words"].split(", ")]))

DIRECTION = "内外前后上下先"
ENDS = r",，。；;：:\n"  # of a Chinese clause
CONDITION = re.compile(
    r"(?<!even )\b(?:if|unless|provided that|as long as|only when|except (?:when|where|for|in))\b[^,.;:]*"
    r"|\b[^,.;:\n]+ means that\b"
    rf"|(?:如果|若|除非|只要|假如)[^{ENDS}]*|(?<![^{ENDS}])[^{ENDS}]+的(?=[,，])"
)

# A sentence that only tells what is believed, supposed, past or planned does not say that it is so.
FRAME = re.compile(
    r"\b(?:claim(?:s|ed)? that|believ\w+ that|(?:wrong|false|untrue|not true) that|is (?:false|wrong|untrue|a myth)"
    r"|suppose|imagine|assuming|(?:earlier|older|previous|former) (?:versions?|releases?)|formerly|used to|in the past"
    r"|(?:is|are) planned|(?:a|the) future|future (?:versions?|releases?)|will (?:support|be added|add|introduce))\b"
    r"|以为|误认为|谣传|据说|假设|设想|过去|以前|曾|旧版本?|以往|将来|未来|即将"
)
CONTRAST = re.compile(
    r"\b(?:unlike|in contrast to|contrary to|as opposed to|rather than|instead of)\b[^,.;:]*"
    r"|[与和跟][^,，。；]{1,20}不同|不同于[^,，。；]*"
)

OPPOSITES: list[tuple[str, str]] = []
for pair in f"{ENGLISH['opposites']['pairs']} {CHINESE['opposites']['pairs']}".split():
    left, right = (stem(word) if word.isascii() else word for word in pair.split("/"))
    OPPOSITES += [(left, right), (right, left)]
