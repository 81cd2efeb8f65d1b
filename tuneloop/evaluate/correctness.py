"""Whether an answer says what its reference says: right, wrong, or refused.

To a question of yes or no, an answer is right that gives the reference's yes or no, at its head or in the words of the
question. To "how many" it must give the number, to "how do I" the flags or most of the command. The name, number or
command that was asked for is right alone; else enough of the reference's other content must be there, of a reference
in several statements that of the first, which holds the fact, or of the whole.
Nothing may be turned round: a negation more or less, another number in the place of one, an opposite word. What the
question holds already proves nothing and does not count. No model judges, so the same answer always gets the same
verdict; what the rule is worth was measured against a judge, in docs/answers-judged.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from tuneloop.answer.numbers import Number
from tuneloop.answer.prompt import REFUSAL
from tuneloop.answer.statement import Statement, take_apart
from tuneloop.answer.vocabulary import OPPOSITES
from tuneloop.evaluate.content import denied, held, parts, says, share, told_not, weights
from tuneloop.evaluate.polarity import bare_lead, last, lead, patterns, polar, stance, without_lead, without_preamble
from tuneloop.knowledge.terms import PARTS, stem
from tuneloop.text.sentences import sentences

Mark = Literal["right", "wrong", "refused"]

ENOUGH = 0.55  # of the weight of what the reference says and the question does not
FEW = 0.25  # the same, where the number that was asked for is there
LEAST = 3.0  # weight of what a part of the reference must say, beyond the question, to be enough by itself
KEY = 0.6  # of the names, code and numbers of a statement: an answer of nothing else is what was asked for
CODE = 0.6  # of the parts of code and names that were asked for
SURE = 0.75  # of the reference: an answer without a negation may say a denial in other words
HOW_MANY = re.compile(
    r"\bhow (?:many|much|long|often|big|large|old|far|high|heavy|fast)\b|\b(?:which|what) (?:port|size|number|status)\b"
    r"|多少|几[个种条次步秒天位]|多[久大长高快]|哪个端口|多重",
    re.I,
)
HOW_TO = re.compile(
    r"\bhow (?:do|can|must|should) (?:i|we|you)\b|\bwhat (?:do|must|should) (?:i|we) (?:type|run|call|pass|use|set)\b"
    r"|\b(?:which|what) (?:flag|command|option|variable|field|file|key|endpoint|tag)\b"
    r"|怎样|怎么(?!知道)|如何|什么命令|哪个(?:参数|命令|端点|字段|文件|变量|键)|用什么",
    re.I,
)
FLAG = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
MARKER = re.compile(r"\s*[\[［]\d{1,3}[\]］]")
STOP = re.compile(r"[;；。！？]|[.!?](?=\s|$)|\n")
REFUSING = re.compile(
    r"\b(?:documents?|passages?|context|text|information)\b[^.]{0,40}\b(?:do(?:es)?\s+not|don't|doesn't|is\s+not|no)\b"
    r"[^.]{0,30}\b(?:answer|say|mention|contain|provide|include|specif\w+|information|given|available)"
    r"|\bi(?:'m|\s+am)?\s+(?:do\s+not|don't|cannot|can't|sorry|unable|not\s+able)\b"
    r"|\b(?:there\s+is\s+no|no)\s+(?:information|mention|answer)\b"
    r"|(?:文档|资料|文中|原文|上下文|文本)[^。]{0,12}(?:没有|未|并未|不)[^。]{0,12}(?:回答|提到|提及|说明|包含|提供|给出|找到|相关)"
    r"|^(?:很?抱歉|对不起)|无法(?:回答|提供|确定|得知)|我不(?:知道|清楚|能)",
    re.I,
)


@dataclass(frozen=True)
class Verdict:
    """``problem`` says why an answer is not right: words, code, number, opposite, empty; "" where it is or refuses."""

    mark: Mark
    problem: str = ""

    @property
    def right(self) -> bool:
        return self.mark == "right"


def judge(question: str, reference: str, answer: str) -> Verdict:
    """Hold an answer against its reference. Markers of citations do not count."""
    said = without_preamble(MARKER.sub("", answer).strip())
    if not said:
        return Verdict("wrong", "empty")
    if refuses(said):
        return Verdict("refused")
    problem = fault(question, reference, said)
    return Verdict("wrong", problem) if problem else Verdict("right")


def refuses(answer: str) -> bool:
    """Whether an answer says, at its start, that it has none."""
    text = MARKER.sub("", answer).strip()
    first = next(iter(sentences(text)), "")
    return any(text.startswith(refusal.rstrip(".。")) for refusal in REFUSAL.values()) or bool(REFUSING.search(first))


def fault(question: str, reference: str, answer: str) -> str:
    """Why an answer does not say what the reference says; "" where it does."""
    asked, said = expected_lead(question, reference), lead(answer) or bare_lead(answer)
    if asked and said:
        return "" if asked == said else "opposite"
    told, known = take_apart(without_lead(answer)), take_apart(question)
    first, whole = take_apart(core(reference)), take_apart(without_lead(reference))
    if misread(told, whole, known):
        return "number"
    if HOW_MANY.search(question) and not any(new_numbers(first, known)):
        count_ones(first, whole, told)
    everything = share(weights(whole), held(told), held(known))
    seen = stance(question, answer) if asked else ""
    if seen and (asked == seen or everything < ENOUGH or not told_not(told)):
        return "" if asked == seen else "opposite"
    return fault_of_content(question, told, known, first, whole)


def fault_of_content(question: str, told: Statement, known: Statement, first: Statement, whole: Statement) -> str:
    """The same of what is asked for otherwise than by yes or no."""
    if chooses(question, told, known):
        return "" if set(weights(told)) in heads(opening(first)) else "words"
    if is_key(told, known, first, whole):
        return ""
    if names := asked_names(question, opening(first), known):
        if not names & held(told):
            return "code"
        if says_no_more(told, whole, known):
            return ""
    code = parts(first) if HOW_TO.search(question) else {}
    if code and lacks_code(first, told, known):
        return "code"
    if turned(first, told) or (not code and denies(known, told, first)):
        return "opposite"
    numbered = HOW_MANY.search(question) is not None and any(new_numbers(first, known))
    if wrong_numbers(first, told, known, whole, numbered):
        return "number"
    least = FEW if numbered or code else ENOUGH
    options = [w for part in (opening(first), first) if says(w := weights(part), known) >= LEAST]
    found = max([share(weights(whole), held(told), held(known)), *(share(o, held(told), held(known)) for o in options)])
    if says_no_more(told, whole, known):  # in few words, and none of its own
        found = max(found, share(weights(opening(first)), held(told), held(known)))
    return "" if found >= least and (told_not(told) or not told_not(first) or found >= SURE) else "words"


def count_ones(*statements: Statement) -> None:
    """Take ``one`` and 一个 for numbers, as they are where a number was asked for."""
    for statement in statements:
        places = {n.start for n in statement.numbers}
        ones = [m for m in patterns()["one"].finditer(statement.folded) if m.start() not in places]
        statement.numbers += [Number("1", "", "", m.start(), m.end()) for m in ones]


def expected_lead(question: str, reference: str) -> str:
    """The reference's yes or no, said at its head or, to a question of yes or no, in what it says of it."""
    return lead(reference) or (stance(question, core(reference)) if polar(question) else "")


def is_key(told: Statement, known: Statement, first: Statement, whole: Statement) -> bool:
    """Whether an answer is the name, the code or the number that was asked for, and nothing else."""
    if not says_no_more(told, whole, known):
        return False
    key = {t: w for t, w in weights(first).items() if t in keys(first) and t not in held(known)}
    return bool(key) and share(key, set(weights(told)), set()) >= KEY


def chooses(question: str, told: Statement, known: Statement) -> bool:
    """Whether a question asks for one of those that it names, and an answer says nothing but names some of them."""
    own = set(weights(told))
    return bool(own) and patterns()["choice"].search(question) is not None and own <= held(known)


def heads(statement: Statement) -> list[set[str]]:
    """The terms of its first content word, of its first two, and so on."""
    return [set(t) for t in accumulate([u.terms for u in statement.units if not u.light])]


def keys(statement: Statement) -> set[str]:
    """The terms of a statement that name something: numbers, code, names."""
    return {*parts(statement), *(name for name, _start in statement.names), *(f"#{n.value}" for n in statement.numbers)}


def lacks_code(needed: Statement, told: Statement, known: Statement) -> bool:
    """Whether a flag that was asked for is missing, or too much of the code."""
    flags = {stem(p) for c, _start in needed.codes for f in FLAG.findall(c) for p in PARTS.findall(f)} - held(known)
    if flags - held(told):
        return True
    return not flags and share(parts(needed), held(told), held(known)) < CODE


def says_no_more(told: Statement, whole: Statement, known: Statement) -> bool:
    """Whether all that an answer says beyond the question stands in the reference."""
    own = set(weights(told)) - held(known)
    return bool(own) and own <= held(whole)


def core(reference: str) -> str:
    """The first statement of a reference, without its yes or no."""
    text = without_lead(reference)
    spans = [m.span(1) for m in re.finditer(r"(`[^`\n]+`)", text)]
    for stop in STOP.finditer(text):
        if not any(start <= stop.start() < end for start, end in spans) and text[: stop.start()].strip():
            return text[: stop.start()]
    return text


def opening(statement: Statement) -> Statement:
    """The first clause."""
    first = next(iter(statement.clauses), None)
    return take_apart(statement.text[first.start : first.end]) if first else statement


def new_numbers(fact: Statement, known: Statement) -> Iterator[Number]:
    """The numbers of a fact that the question does not have."""
    asked = {n.value for n in known.numbers}
    return (n for n in fact.numbers if n.value not in asked)


def wrong_numbers(fact: Statement, told: Statement, known: Statement, whole: Statement, how_many: bool) -> bool:
    """Whether another number stands in the place of a missing one, or, where a number was asked for, too few do."""
    wanted = list(new_numbers(fact, known))
    missing = [n for n in wanted if not any(same(n, other) for other in told.numbers)]
    if how_many and len(missing) > len(wanted) / 2:
        return True
    allowed = {n.value for n in (*whole.numbers, *known.numbers)}
    others = [n for n in told.numbers if n.value not in allowed]
    return any(m.unit == n.unit for m in (wanted if how_many else missing) for n in others)


def misread(told: Statement, whole: Statement, known: Statement) -> bool:
    """Whether a number of the reference is given another unit, period or bound: 5 ml, 5 mg a week for 5 mg a day."""
    stated = [*whole.numbers, *known.numbers]
    meant = [[n for n in stated if n.value == number.value] for number in told.numbers]
    return any(
        there and not any(same(n, number) for n in there) for number, there in zip(told.numbers, meant, strict=True)
    )


def same(wanted: Number, told: Number) -> bool:
    """The same value, with no other unit or period, and no bound the other way round."""
    units = {measure(wanted), measure(told)} - {""}
    sides = {frozenset(pair) for pair in (("min", "under"), ("max", "over"), ("min", "max"), ("over", "under"))}
    return (
        wanted.value == told.value and len(units) < 2 and len({wanted.per, told.per} - {""}) < 2
        and frozenset((wanted.bound, told.bound)) not in sides
    )  # fmt: skip


def measure(number: Number) -> str:
    """The unit of a number, or what it is measured in by the word that follows it: psi, gallons."""
    return number.unit or next((noun for noun in number.nouns[:1] if patterns()["measures"].fullmatch(noun)), "")


def asked_names(question: str, opens: Statement, known: Statement) -> set[str]:
    """The names that the reference opens with, where a question asks which method, format or other named thing."""
    return {name for name, _at in opens.names} - held(known) if patterns()["named"].search(last(question)) else set()


def turned(fact: Statement, told: Statement) -> bool:
    """Whether the answer denies what the reference says, or says what it denies, or has an opposite word."""
    mine, theirs = set(denied(fact)), set(denied(told))
    if mine & {unit.text for unit in told.units} - theirs and not theirs:
        return True
    if theirs & {unit.text for unit in fact.units} - mine and not mine:
        return True
    return any(opposed(fact, told, word, other) for word, other in OPPOSITES)


def denies(known: Statement, told: Statement, fact: Statement) -> bool:
    """Whether an answer denies what the question takes for granted, and the reference denies nothing."""
    return not told_not(fact) and bool({unit.text for unit in known.units} & set(denied(opening(told))))


def opposed(fact: Statement, told: Statement, word: str, other: str) -> bool:
    """``disabled`` where the reference has ``enabled``."""
    mine, theirs = list(forms(fact, word)), list(forms(told, word))
    return bool(mine and not theirs and not any(forms(fact, other)) and any(forms(told, other)))


def forms(statement: Statement, word: str) -> Iterator[str]:
    if not word.isascii():
        if word in statement.folded:
            yield word
        return
    yield from (unit.text for unit in statement.units if unit.text == word)
