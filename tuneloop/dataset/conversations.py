"""A row of somebody else's dataset, as messages: one reader a format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tuneloop.answer.prompt import REFUSAL, answering
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


# -- one reader a format -------------------------------------------------------------------------------------------


def read_alpaca(values: dict[str, Any], columns: dict[str, str]) -> list[Message]:
    """``instruction``, ``input``, ``output``, and where they are there ``system`` and ``history``."""
    messages = opening(text_of(values.get("system"), "system"))
    for turn in values.get("history") or []:
        if not isinstance(turn, list | tuple) or len(turn) != 2:
            raise BadRow(stored("history must be a list of pairs of question and answer"))
        messages += exchange(text_of(turn[0], "history"), text_of(turn[1], "history"))
    asked = [text_of(values.get(key), key) for key in ("instruction", "input")]
    answer = values.get("output", values.get("response", values.get("chosen")))
    return messages + exchange("\n\n".join(part for part in asked if part), text_of(answer, "output"))


def read_sharegpt(values: dict[str, Any], columns: dict[str, str]) -> list[Message]:
    """``conversations``: a list of ``{"from": …, "value": …}``."""
    turns = values.get("conversations", values.get("conversation", values.get("messages")))
    messages = opening(text_of(values.get("system"), "system"))
    return messages + read_turns(turns, "from", "value") + preferred(values, "from", "value")


def read_openai(values: dict[str, Any], columns: dict[str, str]) -> list[Message]:
    """``messages``: a list of ``{"role": …, "content": …}``; or the whole conversation as the ``chosen`` one."""
    turns = values.get("messages", values.get("conversations"))
    if turns is None and isinstance(values.get("chosen"), list):
        return read_turns(values["chosen"], "role", "content")
    return read_turns(turns, "role", "content") + preferred(values, "role", "content")


def read_columns(values: dict[str, Any], columns: dict[str, str]) -> list[Message]:
    """A question and an answer in two columns."""
    question, answer = (text_of(values.get(columns[key]), columns[key]) for key in ("question", "answer"))
    if not answer and question and is_answerable(values, columns) is False:
        answer = REFUSAL[answering(question)]  # what the gateway says is what is learned
    return opening(text_of(values.get(columns.get("system", "")), "system")) + exchange(question, answer)


Reader = Callable[[dict[str, Any], dict[str, str]], list[Message]]
READERS: dict[str, Reader] = {
    "alpaca": read_alpaca, "sharegpt": read_sharegpt, "openai": read_openai, "csv": read_columns, "qa": read_columns,
}  # fmt: skip


def opening(system: str) -> list[Message]:
    return [Message(role="system", content=system)] if system else []


def exchange(question: str, answer: str) -> list[Message]:
    """A question and its answer. Raises where one is missing."""
    if not question:
        raise BadRow(stored("no question"))
    if not answer:
        raise BadRow(stored("no answer"))
    return [Message(role="user", content=question), Message(role="assistant", content=answer)]


def preferred(values: dict[str, Any], speaker: str, content: str) -> list[Message]:
    """The better one of a pair of answers; nothing where the row has no such pair."""
    chosen = values.get("chosen")
    if chosen is None:
        return []
    if isinstance(chosen, str):
        return [Message(role="assistant", content=text_of(chosen, "chosen"))]
    return read_turns(chosen if isinstance(chosen, list) else [chosen], speaker, content)[-1:]


# -- what holds for every format -----------------------------------------------------------------------------------


def check(messages: Sequence[Message], values: dict[str, Any]) -> None:
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


def is_answerable(values: dict[str, Any], columns: dict[str, str]) -> bool:
    """What the row says of itself; True where it says nothing. Raises for anything but yes or no."""
    value = values.get(columns.get("answerable", "answerable"))
    if value is None or value == "" or isinstance(value, bool):
        return value is not False
    word = str(value).strip().lower()
    if word not in TRUE + FALSE:
        raise BadRow(stored("answerable must be true or false"), word[:20])
    return word in TRUE


# -- detection -----------------------------------------------------------------------------------------------------


def has_turns(values: dict[str, Any], keys: Iterable[str], speaker: str) -> bool:
    turns = next((values[key] for key in keys if values.get(key)), None)
    if isinstance(turns, str) and turns.lstrip().startswith("["):
        return f'"{speaker}"' in turns
    return isinstance(turns, list) and any(isinstance(t, dict) and speaker in t for t in turns)


def format_of(values: dict[str, Any]) -> str:
    """The format that one row is written in; "" where it cannot be told."""
    keys = ("messages", "conversations", "conversation")
    if has_turns(values, keys, "role"):
        return "openai"
    if has_turns(values, keys, "from"):
        return "sharegpt"
    if has_turns(values, ("chosen",), "role"):
        return "openai"
    if "instruction" in values and {"output", "response", "chosen"} & values.keys():
        return "alpaca"
    found = find_columns(values)
    return "qa" if "question" in found and "answer" in found else ""


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
