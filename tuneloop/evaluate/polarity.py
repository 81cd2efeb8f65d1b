"""The yes or no of an answer: at its head, or in what it says of what was asked. Its words are data."""

from __future__ import annotations

import re
from functools import lru_cache

from tuneloop.answer.listed import in_both
from tuneloop.answer.statement import Statement, Unit, take_apart
from tuneloop.evaluate.content import held, share, weights
from tuneloop.text.sentences import sentences

SAME = 0.75  # of the question's content: an answer that holds it says yes or no to it
END = r"\s*(?:[,.，。；;:：!！]|$)"


@lru_cache(1)
def patterns() -> dict[str, re.Pattern[str]]:
    """Patterns of the words in ``words/LANGUAGE.toml`` that begin an answer, or tell what a question asks for."""
    en, zh = in_both("exam")

    def either(name: str) -> str:
        """The words of both languages, the longest first."""
        english = [rf"\b{re.escape(w.strip())}(?!\w)" for w in en.get(name, "").split(",") if w.strip()]
        return "|".join(sorted(english + zh.get(name, "").split(), key=len, reverse=True))

    preamble = rf"(?:{either('answer')})(?:\s+(?:{either('to_the_question')}))?\s*(?:{either('is')})"
    shapes = {
        name: either(name)
        for name in ("denial", "assent", "whether", "choice", "one", "bare_no", "between", "measures", "named")
    } | {
        "yes": rf"\s*(?:{either('yes')}){END}",
        "no": rf"\s*(?:{either('no')}){END}",
        "bare_yes": rf"(?:{either('bare_yes')})(?!{either('not_yes')})",
        "preamble": rf"\s*{preamble}\s*[:：,，]?\s*",
        "clause": rf"(?<=[,，])\s*(?:(?:{either('asks')})|[^,，]*(?:{either('asks_last')})\s*[?？]?\s*$)",
        "asks": rf"(?:^|,\s*)(?:{either('asks')})|(?:{either('asks_last')})\s*[?？]?\s*$|{either('whether')}",
    }
    return {name: re.compile(shape, re.I) for name, shape in shapes.items()}


def lead(text: str) -> str:
    """``yes`` or ``no`` where a text begins with it."""
    found = patterns()
    return "no" if found["no"].match(text) else "yes" if found["yes"].match(text) else ""


def bare_lead(answer: str) -> str:
    """The same of a Chinese answer that begins with the verb itself: 不能共用。"""
    found, text = patterns(), answer.lstrip()
    return "no" if found["bare_no"].match(text) else "yes" if found["bare_yes"].match(text) else ""


def without_lead(text: str) -> str:
    match = patterns()["no"].match(text) or patterns()["yes"].match(text)
    return text[match.end() :].strip() if match else text


def without_preamble(answer: str) -> str:
    """``no.`` of ``The answer to this question is no.``, and 不是。 of 答案是否定的。"""
    match = patterns()["preamble"].match(answer)
    if not match:
        return answer
    rest = answer[match.end() :].strip()
    for name, word in (("denial", "不是"), ("assent", "是的")):
        pattern = patterns()[name]
        rest = pattern.sub(word, rest, count=1) if pattern.match(rest) else rest
    return rest or answer


def polar(question: str) -> bool:
    """Whether a question asks for a yes or a no."""
    return bool(patterns()["asks"].search(last(question)))


def last(question: str) -> str:
    """Its last sentence, which asks; what stands before tells."""
    found = [s.strip() for s in sentences(question) if s.strip()]
    return found[-1] if found else question


def asking(question: str) -> Statement:
    """What is asked, of a question of yes or no: without the when, if or where that stands before it."""
    text = patterns()["whether"].sub("", last(question))
    found = list(patterns()["clause"].finditer(text))
    return take_apart(text[found[-1].start() :] if found else text)


def stance(question: str, answer: str) -> str:
    """``yes`` or ``no``, where the first sentence repeats what was asked, as it is or denied; "" where it does not.

    It repeats it where it has most of its words, or some and no others than the question's.
    """
    asked, known = asking(question), held(take_apart(question))
    told = take_apart(next(iter(sentences(answer)), ""))
    wanted, own = weights(asked), set(weights(told)) - {t for u in told.units if steps_over(told, u) for t in u.terms}
    most = share(wanted, held(told), set()) >= SAME
    if not wanted or not (most or (own and own <= known and own & set(wanted))):
        return ""
    if any(scope and not scope[0] & wanted.keys() for scope in scopes(told, wanted)):
        return ""  # 不会立即生效 does not deny 会生效吗
    return "no" if len(scopes(told, wanted)) % 2 != len(scopes(asked, wanted)) % 2 else "yes"


def scopes(statement: Statement, asked: dict[str, float]) -> list[list[set[str]]]:
    """The terms of the words that a negation turns, of each negation that turns what was asked."""
    turned = [[u for u in c.scope if not steps_over(statement, u)] for c in statement.cues if c.kind == "not"]
    found = [[set(unit.terms) for unit in scope] for scope in turned]
    return [scope for scope in found if not scope or any(terms & asked.keys() for terms in scope)]


def steps_over(statement: Statement, unit: Unit) -> bool:
    """Whether a negation turns what follows a word, and not the word: not necessary to, not allowed to."""
    return bool(patterns()["between"].fullmatch(statement.folded, unit.start, unit.end))
