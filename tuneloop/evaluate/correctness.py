"""Whether an answer says what its reference says: right, wrong, or refused.

To a question of yes or no, an answer is right that gives the reference's yes or no, or says of what was asked what the
reference says of it. To "how many" it must give the number, to "how do I" the command or flag, and always enough of
the reference's other content; of a reference in several statements the first, which holds the fact, or the whole.
Nothing may be turned round: a negation more or less, another number in the place of one, an opposite word. What the
question holds already proves nothing and does not count. No model judges, so the same answer always gets the same
verdict; what the rule is worth was measured by hand, in docs/answers-judged.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from tuneloop.answer.numbers import Number
from tuneloop.answer.prompt import REFUSAL
from tuneloop.answer.statement import Statement, take_apart
from tuneloop.answer.vocabulary import OPPOSITES
from tuneloop.knowledge.terms import PARTS, stem, terms
from tuneloop.sentences import sentences

Mark = Literal["right", "wrong", "refused"]

ENOUGH = 0.5  # of the weight of what the reference says and the question does not
FEW = 0.25  # the same, where the number that was asked for is there
LEAST = 3.0  # weight of what a part of the reference must say, beyond the question, to be enough by itself
CODE = 0.5  # of the parts of code and names that were asked for
SURE = 0.75  # of the reference: an answer without a negation may say a denial in other words
SAME = 0.75  # of the question's content: an answer that holds it says yes or no to it
NUMBER, WORD, BIGRAM = 2.0, 1.0, 0.5  # weights
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
PREAMBLE = re.compile(  # before the answer itself
    r"\s*(?:the\s+(?:short\s+|correct\s+)?answer\s+(?:is|would\s+be)(?:\s+that)?|(?:正确)?(?:的)?答案(?:是|为|就是))\s*[:：,，]?\s*",
    re.I,
)
DENIAL, ASSENT = re.compile(r"否定的?"), re.compile(r"肯定的?")
MARKER = re.compile(r"\s*[\[［]\d{1,3}[\]］]")
STOP = re.compile(r"[;；。！？]|[.!?](?=\s|$)|\n")
YES = re.compile(
    r"\s*(?:yes|yeah|sure|certainly|(?:当然)?可以|是的?|能|会|有|需要|支持|对)\s*(?:[,.，。；;:：!]|$)", re.I
)
NO = re.compile(
    r"\s*(?:no|nope|不是|不可以|不能够?|不会|不需要?|不用|不必|不一定|不行|不支持|没有|否|无需)\s*(?:[,.，。；;:：!]|$)",
    re.I,
)
BARE_NO = re.compile(r"\s*(?:不能|不会|不可|不需|不用|不必|不是|不支持|不一定|没有|无法|无需)")
BARE_YES = re.compile(r"\s*(?:可以|能|会(?!议)|需要|支持)")
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


def without_preamble(answer: str) -> str:
    """``no.`` of ``The answer is no.``, and 不。 of 答案是否定的。"""
    found = PREAMBLE.match(answer)
    if not found:
        return answer
    rest = answer[found.end() :].strip()
    for pattern, word in ((DENIAL, "不是"), (ASSENT, "是的")):
        rest = pattern.sub(word, rest, count=1) if pattern.match(rest) else rest
    return rest or answer


def refuses(answer: str) -> bool:
    """Whether an answer says, at its start, that it has none."""
    text = MARKER.sub("", answer).strip()
    first = next(iter(sentences(text)), "")
    return any(text.startswith(refusal.rstrip(".。")) for refusal in REFUSAL.values()) or bool(REFUSING.search(first))


def fault(question: str, reference: str, answer: str) -> str:
    """Why an answer does not say what the reference says; "" where it does."""
    asked, said = lead(reference), lead(answer) or bare_lead(answer)
    rest = without_lead(answer)
    told, known = take_apart(rest), take_apart(question)
    first, whole = take_apart(core(reference)), take_apart(without_lead(reference))
    if asked and said:
        return "" if asked == said else "opposite"
    everything = share(weights(whole), held(told), held(known))
    seen = stance(known, opening(told)) if asked else ""
    if seen and everything < ENOUGH:
        return "" if asked == seen else "opposite"
    if turned(first, told) or (not asked and denies(known, told, first)):
        return "opposite"
    numbered = HOW_MANY.search(question) is not None and any(new_numbers(opening(first), known))
    if wrong_numbers(first, told, known, whole, numbered):
        return "number"
    if HOW_TO.search(question) and share(parts(first), held(told), held(known)) < CODE:
        return "code"
    least = FEW if numbered else ENOUGH
    options = [w for part in (opening(first), first) if says(w := weights(part), known) >= LEAST]
    found = max([everything, *(share(option, held(told), held(known)) for option in options)])
    if says_no_more(told, whole, known):  # in few words, and none of its own
        found = max(found, share(weights(opening(first)), held(told), held(known)))
    return "" if found >= least and (told_not(told) or not told_not(first) or found >= SURE) else "words"


def says_no_more(told: Statement, whole: Statement, known: Statement) -> bool:
    """Whether all that an answer says beyond the question stands in the reference."""
    own = set(weights(told)) - held(known)
    return bool(own) and own <= held(whole)


def stance(known: Statement, told: Statement) -> str:
    """``yes`` or ``no``, where an answer repeats what was asked, as it is or denied; "" where it speaks of else."""
    if share(weights(known), held(told), set()) < SAME:
        return ""
    asked = {unit.text for unit in known.units}
    turns = [cue for cue in told.cues if cue.kind == "not" and (not cue.scope or asked & {u.text for u in cue.scope})]
    return "no" if turns else "yes"


def lead(text: str) -> str:
    """``yes`` or ``no`` where a text begins with it."""
    return "no" if NO.match(text) else "yes" if YES.match(text) else ""


def bare_lead(answer: str) -> str:
    """The same of a Chinese answer that begins with the verb itself: 不能共用。"""
    return "no" if BARE_NO.match(answer) else "yes" if BARE_YES.match(answer) else ""


def without_lead(text: str) -> str:
    match = NO.match(text) or YES.match(text)
    return text[match.end() :].strip() if match else text


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


def says(expected: dict[str, float], known: Statement) -> float:
    """The weight of what is expected beyond the question."""
    asked = held(known)
    return sum(weight for term, weight in expected.items() if term not in asked)


def share(expected: dict[str, float], told: set[str], known: set[str]) -> float:
    """The part by weight of what is expected, and is not in the question, that was told; 1 where nothing is."""
    wanted = {term: weight for term, weight in expected.items() if term not in known} or expected
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in told) / total if total else 1.0


def weights(statement: Statement) -> dict[str, float]:
    """What a statement says: its content words, the parts of its code, and its numbers, with their weights."""
    found = {t: WORD if t.isascii() else BIGRAM for u in statement.units if not u.light for t in u.terms}
    return found | parts(statement) | {f"#{n.value}": NUMBER for n in statement.numbers}


def parts(statement: Statement) -> dict[str, float]:
    """The words and numbers inside code, paths, flags and identifiers."""
    return {stem(part): WORD for code, _start in statement.codes for part in PARTS.findall(code)}


def held(statement: Statement) -> set[str]:
    """Every term of a text, in code or not, and its numbers."""
    return {*terms(statement.text), *weights(statement), *map(stem, PARTS.findall(statement.folded))}


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


def same(wanted: Number, told: Number) -> bool:
    """The same value, with no other unit, and no bound the other way round."""
    units = wanted.unit == told.unit or "" in (wanted.unit, told.unit)
    sides = {frozenset(("min", "under")), frozenset(("max", "over")), frozenset(("min", "max"))}
    return wanted.value == told.value and units and frozenset((wanted.bound, told.bound)) not in sides


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


def told_not(statement: Statement) -> bool:
    return any(cue.kind == "not" for cue in statement.cues)


def denied(statement: Statement) -> Iterable[str]:
    """The content words that a negation turns."""
    return (unit.text for cue in statement.cues if cue.kind == "not" for unit in cue.scope)


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
