"""What a row has beside its conversation: media, tools, the worse answer, tags, and all that is not understood."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuneloop.dataset.turn import KNOWN, BadRow, read_turns, reference_in
from tuneloop.language import stored
from tuneloop.records import Message, Part

TURNS = ("messages", "conversations", "conversation", "chosen", "rejected")
MEDIA = {
    "images": "image", "image": "image", "videos": "video", "video": "video", "audios": "audio", "audio": "audio",
}  # fmt: skip


@dataclass
class Carried:
    """The fields of an example beside its id and its sources, and the fields of the row that are in none of them."""

    fields: dict[str, Any]
    lost: list[str] = field(default_factory=list)


def carry(messages: list[Message], values: Mapping[str, Any], understood: Sequence[str]) -> Carried:
    """A row as the fields of an example. ``messages``: the conversation that was read, with the better answer;
    ``understood``: the keys that are in it."""
    found = Carried({"messages": messages})
    extra = dict(unread_turns(values))
    rest(found, values, [*understood, *TURNS, "answerable"], extra)
    check_references(found.fields["messages"])
    if not is_empty(values.get("rejected")):
        pair(found, values, extra)
    if extra:
        found.fields["extra"] = extra
    return found


def rest(
    found: Carried, values: Mapping[str, Any], understood: Iterable[str], extra: dict[str, Any] | None = None
) -> Carried:
    """Put what a row has beside the keys that are understood where it belongs: tags, metadata, tools and media in the
    fields of their own, the others among the extra ones; what no field holds is lost."""
    kept, known = {} if extra is None else extra, set(understood)
    for key, value in values.items():
        if key in known or is_empty(value):
            continue
        if key in MEDIA and "messages" in found.fields:
            add_media(found, key, value)
        elif key in ("tools", "functions") and (tools := tools_in(value)) is not None:
            found.fields.setdefault("tools", tools)
        elif key == "tags" and isinstance(value, list) and all(isinstance(tag, str) for tag in value):
            found.fields["tags"] = value
        elif key == "metadata" and isinstance(value, dict) and not holds_bytes(value):
            found.fields["metadata"] = as_json(value)
        elif holds_bytes(value):
            found.lost.append(str(key))
        else:
            kept[str(key)] = as_json(value)
    if kept and extra is None:
        found.fields["extra"] = kept
    return found


def is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def holds_bytes(value: Any) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, bytes) or any(map(holds_bytes, inside))


def as_json(value: Any) -> Any:
    """A value as JSON can hold it: dates as text, what is no number as nothing."""
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return None
    if isinstance(value, dict):
        return {str(key): as_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def unread_turns(values: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """By the key of a conversation, what each of its turns says that no message holds."""
    for key in TURNS:
        turns = values.get(key)
        rest = [as_json(unread(turn)) for turn in (turns if isinstance(turns, list) else [turns])]
        if any(rest):
            yield key, rest


def unread(turn: Any) -> dict[str, Any]:
    there = turn.items() if isinstance(turn, dict) else ()
    return {k: v for k, v in there if k not in KNOWN and not is_empty(v) and not holds_bytes(v)}


def tools_in(value: Any) -> list[Any] | None:
    """The tools that an assistant may call, from a list or from a text that holds one; ``None`` where it is neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return as_json(value) if isinstance(value, list) else None


# -- media ---------------------------------------------------------------------------------------------------------


def add_media(found: Carried, key: str, value: Any) -> None:
    """Put pictures and sounds where the text marks their place, the others to the first thing that was asked."""
    references = [reference_in(one)[0] for one in (value if isinstance(value, list) else [value])]
    if not all(references):
        found.lost.append(key)  # only bytes: a row holds none
        return
    messages, kind = found.fields["messages"], MEDIA[key]
    waiting = iter(references)
    found.fields["messages"] = placed = [fill(message, kind, waiting) for message in messages]
    if rest := list(waiting):
        first = next((n for n, m in enumerate(placed) if m.role == "user"), 0)
        placed[first] = with_parts(placed[first], kind, rest)


def fill(message: Message, kind: str, waiting: Iterator[str]) -> Message:
    """A message with what belongs in its empty places: parts without a reference, or marks such as ``<image>``."""
    empty = [part for part in message.parts if part.type == kind and not part.reference]
    filled = {id(part): reference for part, reference in zip(empty, waiting, strict=False)}
    if filled:
        parts = [p.model_copy(update={"reference": filled.get(id(p), p.reference)}) for p in message.parts]
        return message.model_copy(update={"parts": parts})
    marks = 0 if empty else message.content.count(f"<{kind}>")
    taken = [reference for _n, reference in zip(range(marks), waiting, strict=False)]
    return with_parts(message, kind, taken) if taken else message


def with_parts(message: Message, kind: str, references: Sequence[str]) -> Message:
    said = message.parts or ([Part(text=message.content)] if message.content else [])
    more = [Part(type=kind, reference=reference) for reference in references]  # type: ignore[arg-type]
    return message.model_copy(update={"parts": [*said, *more]})


def check_references(messages: Sequence[Message]) -> None:
    """Raise ``BadRow`` for a picture or a sound that nobody can find."""
    for message in messages:
        if lacking := next((p.type for p in message.parts if p.type != "text" and not p.reference), ""):
            raise BadRow(stored("a message holds more than text"), lacking)


# -- pairs ---------------------------------------------------------------------------------------------------------


def pair(found: Carried, values: Mapping[str, Any], extra: dict[str, Any]) -> None:
    """Part the conversation into what was asked and its two ends; where that cannot be, the worse one is lost."""
    messages = found.fields["messages"]
    whole = isinstance(values.get("chosen"), list)
    try:
        worse = ending(values["rejected"])
    except BadRow:
        worse = []
    asked = messages[:-1]
    if whole and len(worse) > 1:
        same = next((n for n, (a, b) in enumerate(zip(messages, worse, strict=False)) if a != b), 0)
        asked, worse = messages[:same], worse[same:]
    better = messages[len(asked) :]
    ends = [end for end in (better, worse) if end and end[-1].role == "assistant"]
    if len(ends) < 2 or better == worse or not asked:
        found.lost.append("rejected")
        return
    found.fields |= {"shape": "preference", "messages": asked, "chosen": better, "rejected": worse}


def ending(value: Any) -> list[Message]:
    """An answer that is a text, a message, or a list of messages. Raises ``BadRow``."""
    if isinstance(value, str) and not value.lstrip().startswith("[{"):
        return [Message(role="assistant", content=value.strip())] if value.strip() else []
    turns = value if isinstance(value, list | str) else [value]
    first = turns[0] if isinstance(turns, list) and turns else {}
    sharegpt = isinstance(first, dict) and "from" in first
    return read_turns(turns, *(("from", "value") if sharegpt else ("role", "content")))
