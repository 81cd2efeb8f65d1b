"""Rows that hold a conversation, in whatever form: what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tuneloop.dataset.carried import Carried, carry
from tuneloop.dataset.turn import BadRow, read_turns, text_of
from tuneloop.language import stored
from tuneloop.records import Message

COLUMNS = {
    "question": ("question", "query", "prompt", "ask", "instruction", "input", "user", "q", "问题", "提问", "问",
                 "指令",                 "用户", "输入", "問題"),
    "answer": ("answer", "response", "completion", "reply", "output", "target", "assistant", "a", "chosen", "答案",
               "回答", "答",               "回复", "输出", "答复"),
    "system": ("system", "system_prompt", "系统", "系统提示"),
    "page": ("page", "source", "document", "file", "页面", "来源", "出处", "文档", "文件"),
    "answerable": ("answerable", "可回答"),
    "id": ("id", "编号"),
}  # fmt: skip

LABELS = ("label", "kto_tag")

TRUE, FALSE = ("true", "1", "yes", "y", "是", "对"), ("false", "0", "no", "n", "否", "不")


SAID = ("messages", "conversations", "conversation")  # keys of a list of turns


def said(
    read: Callable[[Mapping[str, Any]], list[Message]], understood: Sequence[str]
) -> Callable[[Mapping[str, Any], Mapping[str, str]], Carried]:
    """The ``read`` of a form, from what reads its messages and the keys that this understands."""
    return lambda values, columns: conversation(read(values), values, understood)


def conversation(
    messages: list[Message],
    values: Mapping[str, Any],
    understood: Sequence[str],
    columns: Mapping[str, str] | None = None,
) -> Carried:
    """A row as the fields of an example, from its messages. Raises ``BadRow`` where they are no conversation."""
    check(messages, values)
    carried = carry(messages, values, understood)
    if not is_answerable(values, columns or {}):
        carried.fields["answerable"] = False
    return carried


def said_by_users(prompt: Any, key: str) -> list[Message]:
    """What is asked: a text, or messages of which the last is no answer. Raises ``BadRow``."""
    if not isinstance(prompt, list):
        text = text_of(prompt, key)
        return [Message(role="user", content=text)] if text else []
    speaker = ("from", "value") if has_turns({key: prompt}, (key,), "from") else ("role", "content")
    messages = read_turns(prompt, *speaker)
    if messages[-1].role == "assistant":
        raise BadRow(stored("a prompt ends with an answer"))
    return messages


def opening(system: str) -> list[Message]:
    return [Message(role="system", content=system)] if system else []


def exchange(question: str, answer: str) -> list[Message]:
    """A question and its answer. Raises where one is missing."""
    if not question:
        raise BadRow(stored("no question"))
    if not answer:
        raise BadRow(stored("no answer"))
    return [Message(role="user", content=question), Message(role="assistant", content=answer)]


def preferred(values: Mapping[str, Any], speaker: str, content: str) -> list[Message]:
    """The better one of a pair of answers; nothing where the row has no such pair."""
    chosen = values.get("chosen")
    if chosen is None:
        return []
    if isinstance(chosen, str):
        return [Message(role="assistant", content=text_of(chosen, "chosen"))]
    return read_turns(chosen if isinstance(chosen, list) else [chosen], speaker, content)[-1:]


def check(messages: Sequence[Message], values: Mapping[str, Any]) -> None:
    """Raise ``BadRow`` unless the messages are: system or not, then user and assistant in turn, assistant last.

    What an assistant calls may be answered by tools before it speaks again.
    """
    if any(str(values.get(label)).lower() == "false" for label in LABELS):
        raise BadRow(stored("the answer is marked as a bad one (label: false)"))
    said = messages[1:] if messages and messages[0].role == "system" else messages
    before: Message | None = None
    for message in said:
        if message.role == "system":
            raise BadRow(stored("a system message stands after the first message"))
        if message.role not in may_follow(before):
            if before is None and message.role == "assistant":
                raise BadRow(stored("the conversation begins with an answer"))
            if message.role == "tool":
                raise BadRow(stored("a tool answers that was not called"))
            raise BadRow(stored("two messages of one speaker follow each other"), message.role)
        before = message
    if len(said) < 2 or said[-1].role != "assistant":
        raise BadRow(stored("the conversation ends without an answer"))


def may_follow(before: Message | None) -> tuple[str, ...]:
    """Who may speak after a message."""
    if before is None:
        return ("user",)
    if before.role == "tool":
        return ("assistant", "tool")
    if before.role == "assistant":
        return ("user", "tool") if before.tool_calls else ("user",)
    return ("assistant",)


def is_answerable(values: Mapping[str, Any], columns: Mapping[str, str]) -> bool:
    """What the row says of itself; True where it says nothing. Raises for anything but yes or no."""
    value = values.get(columns.get("answerable", "answerable"))
    if value is None or value == "" or isinstance(value, bool):
        return value is not False
    word = str(value).strip().lower()
    if word not in TRUE + FALSE:
        raise BadRow(stored("answerable must be true or false"), word[:20])
    return word in TRUE


def has_turns(values: Mapping[str, Any], keys: Iterable[str], speaker: str) -> bool:
    turns = next((values[key] for key in keys if values.get(key)), None)
    if isinstance(turns, str) and turns.lstrip().startswith("["):
        return f'"{speaker}"' in turns
    return isinstance(turns, list) and any(isinstance(t, dict) and speaker in t for t in turns)


def answers(values: Mapping[str, Any]) -> bool:
    """Whether a row is a question with its answer, whatever else stands beside them."""
    found = find_columns(key for key, value in values.items() if value not in (None, ""))
    return "question" in found and "answer" in found


def find_columns(names: Iterable[str]) -> dict[str, str]:
    """Which column plays which part, by its name in any case; the first name of a list wins."""
    by_name = {str(name).strip().lower(): str(name) for name in names}
    found: dict[str, str] = {}
    for part, known in COLUMNS.items():
        column = next(
            (by_name[name] for name in known if name in by_name and by_name[name] not in found.values()), None
        )
        if column is not None:
            found[part] = column
    return found
