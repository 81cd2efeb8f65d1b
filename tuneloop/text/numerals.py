"""Numerals in words and in Chinese characters, and the values that they have.

``二〇二六`` is 2026, ``二百零六`` is 206; ``thirty-two`` is 32. What the words are is data of the languages.
"""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from tuneloop.text.languages import languages

LONGEST = 40  # characters of a number in words; what is longer is none
HUNDRED = 100  # counts what stands before it; what is larger ends a part of the number


def listed_values(text: str) -> dict[str, int]:
    """``十=1 百=2`` as a mapping."""
    return {word: int(value) for word, _equals, value in (item.partition("=") for item in text.split())}


def powers(text: str) -> dict[str, int]:
    return {word: 10**power for word, power in listed_values(text).items()}


def spoken(text: str) -> dict[str, int]:
    """``zero one two`` as a mapping."""
    return {word: value for value, word in enumerate(text.split())}


def of_all(key: str, read: Callable[[str], dict[str, int]]) -> dict[str, int]:
    """What all languages list under ``key``; where two give a word another value, that of the first stands."""
    found: dict[str, int] = {}
    for language in languages().values():
        found = read(language.numerals.get(key, "")) | found
    return found


# Numbers in words of a language with spaces.
SMALL = {word: 10 * (place + 2) for word, place in of_all("decades", spoken).items()} | of_all("ones", spoken)
LARGE = of_all("large", powers)
# Numbers in characters that are digits and powers of ten.
DIGITS = of_all("digits", listed_values)
TENS = of_all("tens", powers)
MYRIADS = of_all("sections", powers)
POINTS = "".join(dict.fromkeys(language.numerals.get("point", "") for language in languages().values()))
NUMERAL = "".join([*DIGITS, *TENS, *MYRIADS])  # every character that a Chinese numeral is written with


def spoken_value(text: str) -> int:
    """``two hundred and five`` as 205."""
    total = current = 0
    for word in re.split(r"[\s-]+", text):
        if word in SMALL:
            current += SMALL[word]
        elif LARGE.get(word) == HUNDRED:
            current = max(current, 1) * HUNDRED
        elif word in LARGE:
            total, current = total + max(current, 1) * LARGE[word], 0
    return total + current


def chinese_value(text: str) -> str | None:
    """The value of Chinese numerals: ``三百零五``, ``二〇二六``, ``三点五``, ``两万``; ``None`` for what is none."""
    whole, *rest = re.split(f"[{POINTS}]", text, maxsplit=1)
    fraction = "".join(rest)
    if not whole or len(text) > LONGEST or any(c not in DIGITS for c in fraction):
        return None
    if len(whole) > 1 and all(c in DIGITS for c in whole):
        value = "".join(str(DIGITS[c]) for c in whole)
    else:
        total = section = digit = 0
        for character in whole:
            if character in DIGITS:
                digit = DIGITS[character]
            elif character in TENS:
                section, digit = section + (digit or 1) * TENS[character], 0
            elif character in MYRIADS:
                total, section, digit = (total + section + digit or 1) * MYRIADS[character], 0, 0
            else:
                return None
        value = str(total + section + digit)
    return canonical(f"{value}.{''.join(str(DIGITS[c]) for c in fraction)}" if fraction else value)


def whole_number(text: str) -> int:
    """``一百二十三``, ``二〇二六``, ``123`` or ``１２３`` as a number; 0 for what is none."""
    if text.isdecimal():
        return int(text)
    value = chinese_value(text) or ""
    return int(value) if value.isdecimal() else 0


def canonical(digits: str) -> str:
    """``1000.50`` as ``1000.5``; versions such as ``1.19.2`` as they are; leading zeros (``08``) dropped."""
    if len(digits) > 28:  # what Decimal keeps exactly
        return digits
    try:
        number = Decimal(digits)
    except InvalidOperation:
        return digits
    return format(number.normalize(), "f")
