"""The teacher writes questions and answers freely. For a capable teacher.

The answer is written before its question: a small model copies well, and a question made for a given sentence is
answered by it, while an answer to a given question is often made up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tuneloop.dataset.task import Pair, Reply, Task, array_schema, few_shot, object_schema, title_of
from tuneloop.records import Chunk

INSTRUCTION = {
    "en": (
        "You turn a text into {pairs} questions and answers that teach what it says. Each answer is one or two "
        "complete sentences that keep the exact words, names and numbers of the text and add nothing; each is about "
        "another thing. It begins with the full name of what it is about, never with It, They or This. Then comes the "
        "question that it answers. The question names what it is about, because its reader has not seen the text. "
        "Reply in JSON."
    ),
    "zh": (
        "你把一段文字变成{pairs}个问答，让人学会其中的内容。每个答案是一到两个完整的句子，保留文字中的原话、名称和数字，"
        "不添加任何内容，各说一件事。答案以所说事物的完整名称开头，不用“它”“该”“这”开头。然后写出这个答案所回答的问题。"
        "问题中要写出所问事物的完整名称，因为提问的人没有看过这段文字。用JSON回复。"
    ),
}
REQUEST = {"en": "Title: {}\n\nText:\n{}", "zh": "标题：{}\n\n文字：\n{}"}

EXAMPLE = {
    "en": (
        "Heat pump > Maintenance",
        "The filter is cleaned every 3 months, because dust lowers the flow of air. A red lamp shows that pressure is "
        "below 1 bar; open `valve B` until it goes out. The pump is never covered: it takes its heat from the air "
        "around it. A technician checks the coolant once a year.",
        [
            ("The filter of the heat pump is cleaned every 3 months, because dust lowers the flow of air.",
             "How often is the filter of the heat pump cleaned, and why?"),
            ("When the red lamp of the heat pump shows that pressure is below 1 bar, open `valve B` until it goes out.",
             "What should I do when the red lamp of the heat pump is on?"),
            ("The heat pump is never covered, because it takes its heat from the air around it.",
             "Why must a heat pump never be covered?"),
            ("The coolant of the heat pump is checked once a year by a technician.",
             "Who checks the coolant of the heat pump?"),
        ],
    ),
    "zh": (
        "热泵 > 保养",
        "滤网每3个月清洗一次，因为灰尘会减小风量。红灯亮表示压力低于1 bar，此时打开`阀门B`，直到红灯熄灭。"
        "热泵不得遮盖：它从周围的空气中取热。冷却液每年由技术人员检查一次。",
        [
            ("热泵的滤网每3个月清洗一次，因为灰尘会减小风量。", "热泵的滤网多久清洗一次，为什么？"),
            ("热泵的红灯亮表示压力低于1 bar，此时应打开`阀门B`，直到红灯熄灭。", "热泵的红灯亮了应该怎么办？"),
            ("热泵不得遮盖，因为它从周围的空气中取热。", "为什么不得遮盖热泵？"),
            ("热泵的冷却液每年由技术人员检查一次。", "热泵的冷却液由谁检查？"),
        ],
    ),
}  # fmt: skip

QUESTION, ANSWER = ("question", "q", "问题", "Question"), ("answer", "a", "答案", "回答", "Answer")


def written_task(chunk: Chunk, pairs: int, language: str) -> Task:
    """The request for ``pairs`` questions with answers."""
    title, text, shown = EXAMPLE[language]
    reply = {"pairs": [{"answer": answer, "question": question} for answer, question in shown[:pairs]]}
    request = REQUEST[language]
    messages = few_shot(
        INSTRUCTION[language].format(pairs=pairs), [(request.format(title, text), reply)],
        request.format(title_of(chunk), chunk.text.strip()),
    )  # fmt: skip
    pair = object_schema(answer={"type": "string"}, question={"type": "string"})
    return Task(chunk, language, messages, object_schema(pairs=array_schema(pair, 1, pairs)), read_pairs)


def read_pairs(text: str) -> Reply:
    """The whole pairs of a reply, from whole JSON, JSON that breaks off, or JSON between other words."""
    found: list[Pair] = []
    position, decoder = 0, json.JSONDecoder(strict=False)
    while (brace := text.find("{", position)) >= 0:
        try:
            value, position = decoder.raw_decode(text, brace)
            found += pairs_in(value)
        except (ValueError, RecursionError):
            position = brace + 1
    rest = text[text.rfind("}") + 1 :] if found else text
    return Reply(found, rest if not found or any(f'"{key}"' in rest for key in QUESTION + ANSWER) else "")


def pairs_in(value: Any) -> Iterator[Pair]:
    """Every pair in a JSON value, however deep it lies."""
    if isinstance(value, list):
        for element in value:
            yield from pairs_in(element)
    elif isinstance(value, dict):
        question, answer = (first_text(value, keys) for keys in (QUESTION, ANSWER))
        if question is not None and answer is not None:
            yield Pair(question, answer)
        else:
            for element in value.values():
                yield from pairs_in(element)


def first_text(value: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((" ".join(value[key].split()) for key in keys if isinstance(value.get(key), str)), None)
