"""A conversation as token ids, and which of them the model learns to write.

The text is rendered whole, once. What the assistant wrote is found in characters: the same conversation is rendered
with one answer replaced by a marker, and what differs is that answer. A token is learned when it lies wholly inside an
answer or the token that ends it; so nothing is learned that the model will not have to write when it is served.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuneloop.errors import TuneloopError
from tuneloop.language import speaking, stored
from tuneloop.models import ModelCard, render
from tuneloop.records import Example, Message

if TYPE_CHECKING:
    from tuneloop.models.weights import Tokenizer

MARKER = "\ue000\ue001\ue000"  # of a private use area: in no conversation


LEARNED_SHAPES = ("conversation", "preference")  # of a pair, what is learned is the better answer
MORE = {
    "tool calls": stored("the conversation calls a tool, and tool calls are not trained"),
    "reasoning": stored("the reasoning of an answer stands apart from it, and is not trained"),
}


class Unlearnable(Exception):
    """Why a row is not learned from. ``lost``: nobody wished it so."""

    def __init__(self, reason: str, *, lost: bool = True) -> None:
        super().__init__(reason)
        self.lost = lost


@dataclass
class Lesson:
    """One tokenised conversation. ``learned[i]`` says whether token ``i`` is one that the model learns to write."""

    id: str
    dataset: str
    ids: list[int]
    learned: list[bool]
    text: str = ""
    offsets: list[tuple[int, int]] = field(default_factory=list)  # characters of ``text`` under each token
    weights: list[float] = field(default_factory=list)  # of each token in the loss; of [] 1 for all that are learned

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def learned_tokens(self) -> int:
        """Tokens that count in the loss: the first token of a text has nothing before it to be predicted from."""
        return sum(self.learned[1:])

    @property
    def learned_weight(self) -> float:
        """What they weigh together."""
        return sum(self.weights[1:]) if self.weights else self.learned_tokens


class Encoder:
    """Turns examples into lessons for one model."""

    def __init__(self, card: ModelCard, tokenizer: Tokenizer, *, max_length: int, truncate: bool = False,
                 system_prompt: str = "") -> None:  # fmt: skip
        self.card, self.tokenizer = card, tokenizer
        self.max_length, self.truncate, self.system_prompt = max_length, truncate, system_prompt
        control = sorted({*tokenizer.control_tokens, *card.stop}, key=len, reverse=True)
        self.control = re.compile("|".join(map(re.escape, control)) or r"(?!)")

    def encode(self, example: Example, dataset: str = "") -> Lesson:
        """One example as a lesson. Raises ``Unlearnable`` with the reason."""
        check_shape(example)
        messages = self.checked(example.conversation)
        text = self.render(messages)
        answers = [(i, m) for i, m in enumerate(messages) if m.role == "assistant" and m.weight != 0]
        spans = [self.span(messages, i, text) for i, _message in answers]
        whole = self.tokenizer.complete(text)
        shift = len(whole) - len(text)
        ids, offsets = self.tokenizer.encode(whole)
        places = mark(offsets, [(start + shift, end + shift) for start, end in spans])
        learned = [place is not None for place in places]
        weights = weights_of(places, [m.weight for _i, m in answers])
        if len(ids) > self.max_length:
            if not self.truncate:
                reason = stored("{} tokens, and the longest allowed is {}: raise max_length, or truncate")
                raise Unlearnable(reason.format(len(ids), self.max_length))
            keep = slice(self.max_length)
            ids, offsets, learned, weights = ids[keep], offsets[keep], learned[keep], weights[keep]
        if not any(learned[1:]):
            raise Unlearnable(stored("nothing of the answer is left after {} tokens").format(self.max_length))
        return Lesson(example.id, dataset, ids, learned, whole, offsets, weights=weights)

    def checked(self, messages: Sequence[Message]) -> list[Message]:
        """The messages with the system prompt put first where none is there. Raises ``Unlearnable``."""
        if not messages or messages[-1].role != "assistant" or not messages[-1].content.strip():
            raise Unlearnable(stored("it does not end with an answer"))
        if not any(m.role == "user" and m.content.strip() for m in messages):
            raise Unlearnable(stored("it has no question"))
        if all(m.weight == 0 for m in messages if m.role == "assistant"):
            raise Unlearnable(stored("an answer is marked as one that is not to be learned"), lost=False)
        for message in messages:
            if found := self.control.search(f"{message.content}\n{message.name}"):
                raise Unlearnable(stored("its text contains the control token {}").format(found.group()))
            if MARKER in message.content:
                raise Unlearnable(stored("its text contains characters of the private use area"))
        if self.system_prompt and messages[0].role != "system":
            return [Message(role="system", content=self.system_prompt), *messages]
        return list(messages)

    def render(self, messages: Sequence[Message], *, ask: bool = False) -> str:
        try:
            with speaking("en"):
                return render(
                    self.card.chat_template, messages, add_generation_prompt=ask, **self.card.template_variables()
                )
        except TuneloopError as error:
            raise Unlearnable(str(error)) from None

    def span(self, messages: list[Message], index: int, text: str) -> tuple[int, int]:
        """The characters of ``text`` that the model learns from one answer: all it must write, and what ends it."""
        marked = [*messages]
        marked[index] = messages[index].model_copy(update={"content": MARKER})
        before, found, after = self.render(marked).partition(MARKER)
        if not found or not text.startswith(before) or not text.endswith(after) or MARKER in after:
            raise Unlearnable(stored("the chat template changes the text around answer {}").format(index + 1))
        start = len(before)
        if index == len(messages) - 1:
            start = self.after_prompt(messages[:index], before)
        return start, len(text) - len(after) + self.ending(after)

    def after_prompt(self, asked: list[Message], before: str) -> int:
        """Where the model starts to write when it is served: what follows the prompt is learned, and only that."""
        prompt = self.render(asked, ask=True)
        if not before.startswith(prompt):
            raise Unlearnable(stored("the chat template asks for an answer in another way than it shows one"))
        return len(prompt)

    def ending(self, after: str) -> int:
        """How many characters after an answer belong to it: up to the end of the token that ends an answer."""
        ends = [after.index(stop) + len(stop) for stop in self.card.stop if stop in after]
        if not ends or not any(after[: min(ends)].strip() == stop for stop in self.card.stop):
            raise Unlearnable(stored("the chat template does not end an answer with a token that stops it"))
        return min(ends)


def check_shape(example: Example) -> None:
    """Raise ``Unlearnable`` for a row of another shape than a dialogue, and for one that holds more than text."""
    if example.shape not in LEARNED_SHAPES:
        raise Unlearnable(stored("not learned by this method: the shape {}").format(example.shape))
    if more := example.holds:
        raise Unlearnable(MORE.get(more[0], stored("a message holds more than text")))


def weights_of(places: Sequence[int | None], weights: Sequence[float | None]) -> list[float]:
    """What each token weighs, by the answer that it lies in; empty where all that are learned weigh 1."""
    if all(weight in (None, 1) for weight in weights):
        return []
    by_answer = [1.0 if weight is None else weight for weight in weights]
    return [0.0 if place is None else by_answer[place] for place in places]


def mark(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[int | None]:
    """For each token the number of the span that it lies wholly inside of, or ``None``. Both are in order."""
    places, at = [], 0
    for start, end in offsets:
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        inside = at < len(spans) and start < end and spans[at][0] <= start and end <= spans[at][1]
        places.append(at if inside else None)
    return places
