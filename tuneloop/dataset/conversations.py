"""A row of somebody else's dataset, as messages: one reader a format. ``BadRow`` says why a row cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tuneloop.answer.prompt import REFUSAL, answering
from tuneloop.language import stored
from tuneloop.records import Message

ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant", "model": "assistant",
}  # fmt: skip
TOOL_ROLES = frozenset(
    {"tool", "function", "function_call", "function_response", "observation", "tool_call", "ipython"}
)

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

NOT_LEARNED = ("loss", "weight", "train")  # of a message: false or 0 where it is to be read and not to be learned
REASONING = ("reasoning_content", "reasoning", "thinking")
LABELS = ("label", "kto_tag")

TRUE, FALSE = ("true", "1", "yes", "y", "是", "对"), ("false", "0", "no", "n", "否", "不")


class BadRow(Exception):
    """This row is set aside: ``reason`` says why, so that such rows can be counted, and ``detail`` what it was."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def text_of(value: Any, what: str) -> str:
    """A cell as text, without space around it. Raises for anything that is neither text nor a number."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow(stored("a value is not text"), f"{what}: {type(value).__name__}")
    text = str(value).replace("\r\n", "\n").replace("\x00", "").strip()
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise BadRow(stored("half a character (a lone surrogate)"), what)
    if "\ufffd" in text:
        raise BadRow(stored("characters that could not be decoded (U+FFFD)"), what)
    return text


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


def read_turns(turns: Any, speaker: str, content: str) -> list[Message]:
    if isinstance(turns, str):  # a list that a CSV or Parquet file holds as text
        try:
            turns = json.loads(turns)
        except ValueError:
            raise BadRow(stored("the conversation is not a list of messages")) from None
    if not isinstance(turns, list) or not turns:
        raise BadRow(stored("the conversation is empty or not a list of messages"))
    return [read_turn(turn, speaker, content) for turn in turns]


def read_turn(turn: Any, speaker: str, content: str) -> Message:
    if not isinstance(turn, dict) or speaker not in turn:
        raise BadRow(stored("a message does not say who speaks"), speaker)
    name = str(turn[speaker]).strip().lower()
    if name in TOOL_ROLES or turn.get("tool_calls") or turn.get("function_call"):
        raise BadRow(stored("the conversation calls a tool, and tool calls are not trained"))
    if name not in ROLES:
        raise BadRow(stored("a role that does not exist"), str(turn[speaker])[:40])
    if ROLES[name] == "assistant":
        check_answer(turn)
    text = text_of(join_parts(turn.get(content)), content)
    if not text:
        raise BadRow(stored("an empty message"), name)
    return Message(role=ROLES[name], content=text)  # type: ignore[arg-type]


def check_answer(turn: dict[str, Any]) -> None:
    """Raise for an answer that would be learned though it must not be, or that would lose its reasoning."""
    if key := next((key for key in NOT_LEARNED if key in turn and is_no(turn[key])), ""):
        raise BadRow(stored("an answer is marked as one that is not to be learned"), key)
    if key := next((key for key in REASONING if turn.get(key)), ""):
        raise BadRow(stored("the reasoning of an answer stands apart from it, and is not trained"), key)


def is_no(value: Any) -> bool:
    """Whether a mark says no: false or 0, in any spelling; a mark that is empty says nothing."""
    return value is not None and str(value).strip().lower() in ("false", "0", "0.0")


def join_parts(value: Any) -> Any:
    """The text of a content that is a list of parts. Raises for pictures and sounds."""
    if not isinstance(value, list):
        return value
    if any(not isinstance(part, dict) or part.get("type") != "text" for part in value):
        raise BadRow(stored("a message holds more than text"))
    return "\n".join(text_of(part.get("text"), "text") for part in value)


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
    """Raise ``BadRow`` unless the messages are: system or not, then user and assistant in turn, assistant last."""
    if any(str(values.get(label)).lower() == "false" for label in LABELS):
        raise BadRow(stored("the answer is marked as a bad one (label: false)"))
    said = messages[1:] if messages and messages[0].role == "system" else messages
    for message, role in zip(said, ("user", "assistant") * len(said), strict=False):
        if message.role == "system":
            raise BadRow(stored("a system message stands after the first message"))
        if message.role != role:
            if message is said[0]:
                raise BadRow(stored("the conversation begins with an answer"))
            raise BadRow(stored("two messages of one speaker follow each other"), message.role)
    if len(said) < 2 or said[-1].role != "assistant":
        raise BadRow(stored("the conversation ends without an answer"))


def is_answerable(values: dict[str, Any], columns: dict[str, str]) -> bool:
    """What the row says of itself; True where it says nothing. Raises for anything but yes or no."""
    value = values.get(columns.get("answerable", "answerable"))
    if value is None or value == "" or isinstance(value, bool):
        return value is not False
    word = str(value).strip().lower()
    if word not in TRUE + FALSE:
        raise BadRow(stored("answerable must be true or false"), word[:20])
    return word in TRUE


# -- what is not carried --------------------------------------------------------------------------------------------

TURNS = ("messages", "conversations", "conversation", "chosen")
CARRIED = {
    "alpaca": {"instruction", "input", "output", "response", "system", "history"},
    "sharegpt": {"system"}, "openai": set(), "csv": set(), "qa": set(),
}  # fmt: skip
MEANING = frozenset([
    "rejected", "tools", "functions", "weight", "loss", "train", "prefix", *REASONING,
    "images", "image", "videos", "video", "audios", "audio",
])  # fmt: skip


def not_carried(values: dict[str, Any], form: str, columns: dict[str, str]) -> Iterator[str]:
    """The fields of a row that hold something and come into no example, such as ``tools`` or ``messages.name``."""
    known = {*CARRIED[form], *columns.values(), *TURNS, *LABELS, "answerable"}
    for key, value in values.items():
        if key in TURNS:
            turns = value if isinstance(value, list) else [value]
            held = {k for turn in turns if isinstance(turn, dict) for k, v in turn.items() if says_more(k, v, turn)}
            yield from (f"{key}.{name}" for name in sorted(held, key=str))
        elif key not in known and not is_empty(value):
            yield str(key)


def says_more(key: str, value: Any, turn: dict[str, Any]) -> bool:
    """Whether a key of a message says something that the message alone does not."""
    if key in ("role", "from", "content", "value") or is_empty(value):
        return False
    speaker = str(turn.get("role", turn.get("from"))).strip().lower()
    return key not in NOT_LEARNED or (
        ROLES.get(speaker) == "assistant" and str(value).lower() not in ("true", "1", "1.0")
    )


def is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def changes_meaning(field: str) -> bool:
    """Whether what is learned is another thing without this field."""
    return field.rpartition(".")[2] in MEANING


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
