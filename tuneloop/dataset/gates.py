"""The gates that hold one pair against its chunk. Each gives its reason."""

from __future__ import annotations

import re
from dataclasses import replace

from tuneloop.answer.statement import take_apart
from tuneloop.dataset.curation import Candidate, Gate, Refusal
from tuneloop.dataset.grounding import Grounding, Passage, ground, held, question_share, weighty
from tuneloop.dataset.task import Pair
from tuneloop.language import stored
from tuneloop.scripts import CJK
from tuneloop.text.language import language_of
from tuneloop.text.sentences import sentences

CONTENT = 8  # content words below which a chunk has nothing to ask about
GROUNDED = 0.65  # share of an answer's own words that its stretch of the chunk must hold
ABOUT = 0.6  # share of a question's words that the chunk or its headings must hold
ANSWERED = 0.4  # and that the stretch of the answer, or a heading, must hold
ADDED = 0.04  # share of an answer's content that its question must not have said
LENGTHS = {"en": ((12, 220), (15, 600)), "zh": ((5, 90), (6, 300))}  # characters of question and answer

ASKS = {
    "en": re.compile(
        r"^(?:(?:in|on|at|for|to|under|by|from|with) (?:what|which|whom|where|when|how)|what|which|who|whom|whose|when"
        r"|where|why|how|is|are|was|were|do|does|did|can|could|should|will|would|may|must|has|have|if|name|list|explain"
        r"|describe)\b",
        re.I,
    ),
    "zh": re.compile(
        "什么|哪|谁|如何|怎么|怎样|为何|是否|能否|可否|是不是|多少|多久|多长|多大|几|吗|呢|有无|何时|何种|何地"
    ),
}
POINTS = {
    "en": re.compile(
        r"\b(?:this (?:passage|text|excerpt|snippet|paragraph|article|section|page|chapter|sentence|fact|title)\b"
        r"|(?:in|according to|from|by) (?:the|this) (?:given |provided )?(?:passage|text|document|section|page|chapter"
        r"|example|description|context|title|fact)\b"
        r"|(?:the )?(?:above|following|given|provided|preceding|aforementioned) (?:\w+ )?(?:passage|text|example"
        r"|document|section|command|code|information|content|context|table|list|sentence|title|fact)s?\b"
        r"|(?:as )?(?:mentioned|described|shown|listed|stated|given) (?:above|below|earlier|here)\b"
        r"|(?:mentioned|described|stated|listed) in the (?:document|section|page|title|text)\b)",
        re.I,
    ),
    "zh": re.compile(
        "上文|下文|上述|文段|文字中|这段|该段|本段|本节|本章|本页|这篇|材料中|标题中|所述|如上|如下|前款|前条|本条|本款|各款|前项"
        r"|给出的|这条事实|事实[一二三四\d]|(?:根据|按照)(?:文字|文档|资料|内容|标题)"
    ),
}
POINTS_ASKED = {
    "en": re.compile(r"\b(?:this|these|those) (?!is\b|means\b)\w+", re.I),
    "zh": re.compile(
        "本法|本条|本规定|本办法|本细则|本解释|本文|该(?!院|当|国)|此(?!外|后|前)|这(?:个|些|种|项|类)|^(?:它|其|本)"
        "|第[一二三四五六七八九十百]+[编章节]|前[一二两三]?[款条项]"
    ),
}
THING = {
    "en": re.compile(r"\bthe (passage|text|excerpt|snippet|paragraph|article|sentence|fact)s?\b", re.I),
    "zh": re.compile("(文中|原文|该文|材料|事实)"),
}
DEICTIC = re.compile(
    r"\b(?:this|above|below|following|given|provided|preceding|aforementioned|earlier|here)\b|[上下前如本这该]", re.I
)
KINDS = {
    "en": (
        (
            re.compile(r"\bwhy\b", re.I),
            re.compile(
                r"\b(?:because|since|so|as|for|due|thanks|therefore|hence|thus|otherwise|to|means?|reasons?|purpose|avoids?"
                r"|prevents?|unless|instead)\b|[:;]",
                re.I,
            ),
        ),
        (
            re.compile(r"\bhow (?:many|much|often|long|large|big|old)\b", re.I),
            re.compile(
                r"\d|\b(?:one|two|three|once|twice|every|each|all|no|none|several|only|always|never|until|both|half|daily"
                r"|single|any)\b",
                re.I,
            ),
        ),
    ),
    "zh": (
        (
            re.compile("为什么|为何"),
            re.compile("因为|由于|为了|以便|从而|避免|防止|目的|所以|因此|以免|旨在|否则|使|保障|维护|原因|根据|："),
        ),
        (
            re.compile("多少|多久|多长|几(?:个|种|年|天|次)"),
            re.compile(r"\d|[一二三四五六七八九十百千万两]|每|所有|全部|均|至|不"),
        ),
    ),
}  # a question for a reason, or an amount, and what an answer that gives one has
LEANS = re.compile(r"^(?:it|this|they|these|those|he|she|such)\b|^(?:该|此|这|它|其)", re.I)
VAGUE = re.compile(
    r"^(?:what|how|why|when|where|which|who) (?:is|are|was|were|do|does|did|can|should) (?:it|they|he|she|you)\b"
    r"[^a-z]*(?:\w+\W*){0,2}$",
    re.I,
)
OTHER = {"en": re.compile(f"[{CJK}]"), "zh": re.compile("[A-Za-z]{3}")}  # letters of the other language


class Marks(Gate):
    """Marks as the language writes them, and nothing else changed. Refuses none."""

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        return replace(candidate, pair=tidy(candidate.pair, candidate.language))


def tidy(pair: Pair, language: str) -> Pair:
    question = re.sub(r"^(?:Q(?:uestion)?\s*\d*|问题?\s*\d*|\d+)\s*[.:：、)]\s*", "", pair.question.strip(' "“”'))
    answer = re.sub(r"^(?:A(?:nswer)?|答案?|回答)\s*[:：]\s*", "", pair.answer.strip())
    stop, mark = ("。", "？") if language == "zh" else (".", "?")
    if question and question[-1] not in "?？" and ASKS[language].search(question):
        question = question.rstrip(".。!！") + mark
    if answer and answer[-1] not in ".。!！?？`)）”\"':：…;；,，、":
        answer += stop
    return replace(pair, question=question, answer=answer)


class Question(Gate):
    """A question that asks, in the language asked for, and names what it is about."""

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        reason = question_problem(candidate.pair, candidate.language)
        return Refusal(reason) if reason else candidate


def question_problem(pair: Pair, language: str) -> str:
    (low, high), _answers = LENGTHS[language]
    if not ASKS[language].search(pair.question) or pair.question[-1] not in "?？":
        return stored("the question asks nothing")
    if not low <= len(pair.question) <= high:
        return stored("the question is too short") if len(pair.question) < low else stored("the question is too long")
    if language_of(pair.question) != language and re.search(
        f"[{CJK}]" if language == "en" else r"[a-z]{3}", pair.question
    ):
        return stored("the question is in another language")
    about = take_apart(pair.question)
    if not weighty(about) and not about.codes and not about.numbers:
        return stored("the question does not name what it is about")
    return ""


class Answer(Gate):
    """An answer that is whole, and in the language asked for."""

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        reason = answer_problem(candidate.pair, candidate.language)
        return Refusal(reason) if reason else candidate


def answer_problem(pair: Pair, language: str) -> str:
    _questions, (low, high) = LENGTHS[language]
    if not pair.answer.strip(".。 "):
        return stored("the answer is empty")
    if not low <= len(pair.answer) <= high:
        return stored("the answer is too short") if len(pair.answer) < low else stored("the answer is too long")
    if pair.answer[-1] in ":：…;；,，、?？" or pair.answer.count("`") % 2:
        return stored("the answer breaks off")
    if language_of(pair.answer) != language and OTHER[language].search(pair.answer):
        return stored("the answer is in another language")
    return ""


class Alone(Gate):
    """Neither question nor answer leans on a text that its reader does not see."""

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        reason = pointing_problem(candidate.pair, candidate.passage, candidate.language)
        return Refusal(reason) if reason else candidate


def points(text: str, passage: Passage, language: str) -> bool:
    """Whether a text points at another one. What the chunk says in these very words does not, but "above" does."""
    told = passage.chunk.text.lower()
    return any(DEICTIC.search(m[0]) or m[0].lower() not in told for m in POINTS[language].finditer(text))


def pointing_problem(pair: Pair, passage: Passage, language: str) -> str:
    """Neither question nor answer may lean on a text beside it. A document on texts may speak of "the text"."""
    thing = THING[language].search(pair.question)
    if thing and thing[1].lower() in passage.chunk.text.lower():
        thing = None
    if thing or POINTS_ASKED[language].search(pair.question) or VAGUE.match(pair.question):
        return stored("the question points at a text that its reader does not see")
    if points(pair.question, passage, language):
        return stored("the question points at a text that its reader does not see")
    if points(pair.answer, passage, language) or LEANS.match(pair.answer):
        return stored("the answer points at a text that its reader does not see")
    return ""


class Fitting(Gate):
    """A question for a reason or an amount has an answer that gives one."""

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        reason = kind_problem(candidate.pair, candidate.language)
        return Refusal(reason) if reason else candidate


def kind_problem(pair: Pair, language: str) -> str:
    """A question for a reason or an amount needs an answer that has one."""
    (why, reason), (how_much, amount) = KINDS[language]
    wrong = why.search(pair.question) and not reason.search(pair.answer)
    if how_much.search(pair.question) and not amount.search(pair.answer):
        wrong = not take_apart(pair.answer).numbers
    return stored("the answer answers another question") if wrong else ""


class Subject(Gate):
    """A question about what stands in the chunk."""

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        if question_share(candidate.pair.question, candidate.passage) < ABOUT:
            return Refusal(stored("the question is about something else"))
        return candidate


class Grounded(Gate):
    """An answer that the chunk carries: its sentences from the first on, as far as that holds."""

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        pair, passage, reason, detail = candidate.pair, candidate.passage, "", ""
        parts, joint = sentences(pair.answer), "" if language_of(pair.answer) == "zh" else " "
        for count in range(len(parts), 0, -1):
            answer = pair.answer if count == len(parts) else joint.join(parts[:count])
            found = ground(answer, pair.question, passage)
            reason, detail = grounding_problem(found)
            asked = question_share(pair.question, passage, found)
            if not reason and (asked < ANSWERED or not touches(pair.question, answer)):
                reason, detail = stored("the answer answers another question"), ""
            if not reason and (count == 1 or not grounding_problem(ground(parts[count - 1], "", passage))[0]):
                return replace(candidate, pair=replace(pair, answer=answer), grounding=found)
        return Refusal(reason, detail)


def touches(question: str, answer: str) -> bool:
    """Whether an answer speaks of anything that its question names: one that was read off the title alone does not."""
    asked, said = take_apart(question), take_apart(answer)
    named = any(held(unit, said) >= 0.5 for unit in weighty(asked)) or any(
        code in said.folded for code, _s in asked.codes
    )
    return named or any(code in asked.folded for code, _start in said.codes)


def grounding_problem(found: Grounding) -> tuple[str, str]:
    if found.missing:
        return stored("a number or name in the answer does not stand in the chunk"), ", ".join(found.missing)
    if found.turned:
        return stored("the answer turns round what the chunk says"), found.turned
    if found.added < ADDED:
        return stored("the answer only repeats the question"), ""
    if found.share < GROUNDED:
        return stored("the chunk does not carry the answer"), f"{found.share:.2f}"
    return "", ""
