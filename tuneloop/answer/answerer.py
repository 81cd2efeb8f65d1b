"""A cited answer, written while it is checked: search, prompt, stream, and every sentence held against the passages."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from tuneloop.answer import prompt
from tuneloop.answer.aside import CHECKS, Aside
from tuneloop.answer.draft import Draft, Piece
from tuneloop.answer.events import Answer, Citation, Cited, Done, Event, Passages, Sentence, Text
from tuneloop.answer.support import UNCHECKED, Support
from tuneloop.answer.verifiers import RULES, VERIFIERS, Verifier, prepared
from tuneloop.chat import ChatClient
from tuneloop.errors import TuneloopError
from tuneloop.knowledge.answerable import EVIDENCE
from tuneloop.language import _
from tuneloop.records import Message
from tuneloop.text.tokens import estimate_tokens

if TYPE_CHECKING:
    from tuneloop.knowledge import Knowledge, Passage

Messages = Sequence[Message | dict[str, Any]]

NOTHING_TO_CITE = re.compile(
    r"""^(?:(?:sure|of\ course|certainly|okay|ok|yes|no|great|hello|hi|thanks?|thank\ you|sorry|i(?:'m|\ am)\ sorry
      |you're\ welcome|i(?:'m|\ am)\ (?:happy|glad)\ to\ help|i\ can\ help(?:\ you)?(?:\ with\ (?:that|this))?)
      [\s,.!:]*)+$
    | ^(?:here\ (?:is|are)|below\ (?:is|are)|the\ following|let\ me\ know|i\ hope|feel\ free)\b
    | ^if\ you\ (?:have|need)\ any\b
    | ^(?:(?:i(?:'m|\ am)\ )?sorry,?\ (?:but\ )?)?i(?:'m|\ am)?\ (?:do\ not|don't|cannot|can't|not\ sure|unable)\b
    | ^(?:(?:i(?:'m|\ am)\ )?sorry,?\ (?:but\ )?)?(?:the\ )?(?:documents?|passages?|context|text)
      \ (?:do(?:es)?\ not|don't|doesn't)
      \ (?:answer|say|mention|contain|provide)
    | ^(?:(?:好的|当然可以|当然|没问题|您好|你好|谢谢您?|不客气|非常抱歉|抱歉|对不起|很高兴为您服务)[\s，。！、：]*)+$
    | ^(?:(?:抱歉|对不起)，?)?我(?:不知道|不清楚|无法|不能)
    | ^(?:希望(?:这|以上|对您)|如果您?(?:还?有|需要)|以下是|下面是|请问)
    | ^(?:根据|依据|按照)[^，。]{0,12}(?:资料|文档|内容|信息)[，。：:]?$
    | (?:文档|资料)中?(?:没有|未)(?:回答|提到|提及|说明|包含)
    """,
    re.VERBOSE | re.IGNORECASE,
)
REPEATS = 3  # times that a sentence may come before the answer is ended
FINISHED = re.compile(r"[.!?。！？;；:：…]\W*$|```\s*$")
LEAD_IN = re.compile(r"[:：]\s*$")
NO_MARKER = re.compile(r"\s*(?:\#{1,6}\s|\||>?\s*(?:-{3,}|\*{3,})\s*$)")  # a marker would break headings, rows, rules


class Answerer:
    """Answers from an index through a model. One of them serves many questions at once.

    ``k`` passages are searched, and as many shown to the model as ``passage_tokens`` hold. Where the passages do not
    answer and ``abstain`` is set, the answer says so and no model is asked. ``context_length`` is the model's, in
    tokens; where it is 0, that of the client, if that knows it. With ``mark_text`` a sentence whose words were
    not found is marked in the text as well. ``verifier`` names what holds sentences against passages.
    """

    def __init__(
        self, knowledge: Knowledge, client: ChatClient, *, language: Literal["auto", "en", "zh"] = "auto",
        k: int = prompt.PASSAGES,
        passage_tokens: int = 700, context_length: int = 0, abstain: bool = True, mark_text: bool = False,
        verifier: str = RULES,
    ) -> None:  # fmt: skip
        self.knowledge, self.client, self.language, self.k = knowledge, client, language, k
        self.passage_tokens = passage_tokens
        self.context_length = context_length or getattr(client, "context_length", 0)
        self.abstain, self.mark_text, self.verifier = abstain, mark_text, verifier
        VERIFIERS.find(verifier)

    async def answer(
        self, messages: Messages, *, max_tokens: int = 512, temperature: float = 0.0, **extra: Any
    ) -> Answer:
        """The whole answer. Raises ``TuneloopError`` without a question, ``ChatError`` where the model fails."""
        async for event in self.stream(messages, max_tokens=max_tokens, temperature=temperature, **extra):
            if isinstance(event, Done):
                return event.answer
        raise AssertionError("a stream ends with Done")

    async def stream(
        self, messages: Messages, *, max_tokens: int = 512, temperature: float = 0.0, **extra: Any
    ) -> AsyncIterator[Event]:
        """The answer as it is written: ``Passages``, then ``Text`` and ``Cited``, then ``Done``."""
        begun = time.perf_counter()
        question = prompt.question_of(messages)
        if not question:
            raise TuneloopError(_("the conversation has no question of a user"))
        language: prompt.Language = "zh" if self.language == "zh" else "en"
        if self.language == "auto":
            language = prompt.answering(question)
        found, confidence = await asyncio.to_thread(self.retrieve, prompt.search_query(messages))
        shown = prompt.fit_passages(found, self.budget(messages, max_tokens))
        passages = [passage for passage, _text in shown]
        answerable = bool(passages) and confidence >= self.knowledge.answerability.threshold
        answer = Answer(language=language, passages=passages, answerable=answerable, confidence=confidence)
        yield Passages(passages, answerable, confidence)
        if not passages or (self.abstain and not answerable):
            answer.text = answer.plain = prompt.REFUSAL[language]
            answer.sentences, answer.finish_reason = [Sentence(answer.text, 0, len(answer.text))], "stop"
            yield Text(answer.text)
            yield Done(answer)
            return
        writer = Writer(answer, question, lambda: self.checker(passages), self.mark_text)
        said = prompt.grounded(messages, shown, language)
        deltas = self.client.stream(said, max_tokens=max_tokens, temperature=temperature, **extra)
        written = ""
        async with aclosing(deltas):
            async for delta in deltas:
                written += delta.reasoning + delta.text
                if delta.text and answer.time_to_first_token is None:
                    answer.time_to_first_token = time.perf_counter() - begun
                answer.finish_reason = delta.finish_reason or answer.finish_reason
                answer.prompt_tokens = delta.prompt_tokens or answer.prompt_tokens
                answer.completion_tokens = delta.completion_tokens or answer.completion_tokens
                async for event in writer.feed(delta.text):
                    yield event
                if writer.repeats:
                    answer.finish_reason = "stop"
                    break
        async for event in writer.close():
            yield event
        if not answer.completion_tokens:  # ended before the server told, or it does not tell
            answer.completion_tokens = estimate_tokens(written)
        if not answer.prompt_tokens:
            answer.prompt_tokens = sum(estimate_tokens(prompt.content(m)) + 8 for m in said)
        yield Done(answer)

    def retrieve(self, query: str) -> tuple[list[Passage], float]:
        """The passages to show for a query, and how likely the documents answer it, which more of them tell."""
        passages = self.knowledge.search(query, max(self.k, EVIDENCE))
        return passages[: self.k], self.knowledge.answerable(query, passages[:EVIDENCE])

    def budget(self, messages: Messages, max_tokens: int) -> int:
        """Tokens for passages: what the model's context leaves beside the conversation and the answer."""
        if not self.context_length:
            return self.passage_tokens
        used = sum(estimate_tokens(prompt.content(m)) + 8 for m in messages) + 120
        left = self.context_length - max_tokens - int(1.2 * used)
        return max(prompt.SMALLEST, min(self.passage_tokens, left))

    def checker(self, passages: Sequence[Passage]) -> Verifier:
        texts = [(p.chunk.text, [p.chunk.name, *p.chunk.heading]) for p in passages]
        return prepared(self.verifier, texts, self.knowledge.idf)


class Writer:
    """Turns a model's deltas into events, and fills in the answer. What takes time is done in ``aside``."""

    def __init__(
        self, answer: Answer, question: str, make_checker: Callable[[], Verifier], mark: bool, aside: Aside = CHECKS
    ) -> None:
        self.answer, self.question, self.make_checker, self.mark = answer, question, make_checker, mark
        self.aside = aside
        self.draft, self.start = Draft(), 0  # start: of the unfinished sentence in answer.text
        self.closing = False  # the model has ended

    @cached_property
    def checker(self) -> Verifier:
        return self.make_checker()

    async def feed(self, delta: str) -> AsyncIterator[Event]:
        for piece in self.draft.feed(delta):
            async for event in self._write(piece):
                yield event

    async def close(self) -> AsyncIterator[Event]:
        self.closing = True
        for piece in self.draft.close():
            async for event in self._write(piece):
                yield event

    @property
    def repeats(self) -> bool:
        """Whether the model says the same sentence over and over, as small ones do."""
        last = [s.text for s in self.answer.sentences[-REPEATS:]]
        return len(last) == REPEATS and len(set(last)) == 1

    async def _write(self, piece: Piece) -> AsyncIterator[Event]:
        for event in self._say(piece.text, piece.text):
            yield event
        if piece.sentence is None:
            return
        citation = await self._judge(piece)
        if citation:
            for event in self._say(self._marker(piece.sentence, citation), ""):
                yield event
            self.answer.citations.append(citation)
            yield Cited(citation)
        for event in self._say(piece.after, piece.after):
            yield event
        self.start = len(self.answer.text)

    def _say(self, text: str, plain: str) -> Iterator[Event]:
        self.answer.text += text
        self.answer.plain += plain
        if text:
            yield Text(text)

    async def _judge(self, piece: Piece) -> Citation | None:
        """Check a whole sentence and note it; its citation, or None where there is nothing to support."""
        assert piece.sentence is not None
        if not piece.sentence:
            return None
        end = len(self.answer.text)
        start = max(self.start, end - len(piece.sentence))
        supported, citation = None, None
        if states_something(piece.sentence):
            states, support = True, UNCHECKED
            if piece.whole:
                states, support = await self.aside.run(lambda: self._held(piece), (True, UNCHECKED))
            if states:
                citation = self._citation(self._cut_off(piece, support), start, end)
                supported = citation.supported
        place = len(self.answer.citations) if citation else None
        self.answer.sentences.append(Sentence(piece.sentence, start, end, supported, place))
        return citation

    def _held(self, piece: Piece) -> tuple[bool, Support | None]:
        """Whether a sentence states anything, and what stands behind it. Slow: not in the event loop."""
        sentence = piece.sentence or ""
        support = self.checker.check(sentence, [n - 1 for n in piece.named], self.question)
        return support is not None or self.checker.states(sentence), support

    def _cut_off(self, piece: Piece, support: Support | None) -> Support | None:
        """The support of a sentence, or none where the model had no more room to end it."""
        cut = (
            self.closing and self.answer.finish_reason == "length" and not FINISHED.search((piece.sentence or "")[-80:])
        )
        return replace(support, problem="unfinished") if support and cut else support

    def _citation(self, support: Support | None, start: int, end: int) -> Citation:
        if support is None or not support.supported:
            problem, score = (support.problem, support.score) if support else ("nothing", 0.0)
            return Citation(supported=False, problem=problem, score=round(score, 4), answer_start=start, answer_end=end)
        chunk = self.answer.passages[support.passage].chunk
        return Citation(
            number=support.passage + 1, chunk=chunk.id, document=chunk.document, name=chunk.name, heading=chunk.heading,
            page=chunk.page_at(chunk.start + support.start),
            start=chunk.start + support.start, end=chunk.start + support.end,
            quote=chunk.text[support.start : support.end], supported=True, score=round(support.score, 4),
            answer_start=start, answer_end=end,
        )  # fmt: skip

    def _marker(self, sentence: str, citation: Citation) -> str:
        if NO_MARKER.match(sentence):
            return ""
        text = f" [{citation.number}]" if citation.supported else ""
        if self.mark and not citation.supported:
            marks = prompt.UNCHECKED if citation.problem == "unchecked" else prompt.UNSUPPORTED
            text = marks["zh" if self.answer.language == "zh" else "en"]
        fenced = sentence.lstrip().startswith(("```", "~~~"))
        return f"\n{text.strip()}\n" if fenced and text else text


def states_something(sentence: str) -> bool:
    """Whether a sentence claims a fact that documents could support; an opening phrase or a question does not."""
    text = sentence.strip().strip("*_ ")
    if not text or text.endswith(("?", "？")) or re.match(r"#{1,6}\s", text) or NOTHING_TO_CITE.search(text):
        return False
    return not (LEAD_IN.search(text) and len(text) < 120)
