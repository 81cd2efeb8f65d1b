"""The shapes that an example may have: what each needs, what else must hold, and how it is shown on one line.

A package adds one through the entry point group ``tuneloop.example_shapes``: ``name = module:SHAPE``. A row whose
shape is not here is kept and shown all the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tuneloop.doors import Door
from tuneloop.language import _, joined, stored
from tuneloop.records.example import Example
from tuneloop.telling import cut

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Shape:
    """One shape. ``check`` says in one line what is wrong with an example that has all it needs, or ``""``.

    ``sides`` gives of a row what is given and what is wanted, as texts: the question and its answer.
    """

    name: str
    title: str  # in English, marked by stored()
    needs: tuple[str, ...]  # fields of Example that may not be empty
    sides: Callable[[Row], tuple[str, str]]
    check: Callable[[Example], str] = lambda example: ""

    def problem(self, example: Example) -> str:
        """Why an example is none of this shape; ``""`` where it is one."""
        missing = [name for name in self.needs if not getattr(example, name)]
        if missing:
            return stored("a {} needs {}").format(self.title, ", ".join(missing))
        return self.check(example)


def last(messages: Any, role: str) -> str:
    """The last text that somebody said, in rows or in messages as they lie in a table."""
    return next((m["content"] or called(m) for m in reversed(messages or []) if m["role"] == role), "")


def called(message: Row) -> str:
    """The calls of a message that has no text: ``search(…)``."""
    return joined(f"{call['name']}(…)" for call in message.get("tool_calls") or [])


def dialogue(row: Row) -> tuple[str, str]:
    return last(row["messages"], "user"), last(row["messages"], "assistant")


def preferred(row: Row) -> tuple[str, str]:
    better, worse = (last(row[name], "assistant") for name in ("chosen", "rejected"))
    return last(row["messages"], "user"), f"{cut(better, 60)} > {cut(worse, 60)}"


def prompted(row: Row) -> tuple[str, str]:
    return last(row["messages"], "user"), joined(f"{name}={value}" for name, value in (row["facts"] or {}).items())


def lettered(row: Row) -> tuple[str, str]:
    right = set(row["right"] or [])
    marks = [f"{'✓ ' if number in right else ''}{choice}" for number, choice in enumerate(row["choices"] or [])]
    return last(row["messages"], "user"), " | ".join(marks)


def check_pair(example: Example) -> str:
    if any(end[-1].role != "assistant" for end in (example.chosen, example.rejected)):
        return stored("an end of a preference pair is no answer")
    same = example.chosen == example.rejected
    return stored("both answers of a preference pair are the same") if same else ""


def check_prompt(example: Example) -> str:
    return "" if example.messages[-1].role != "assistant" else stored("a prompt ends with an answer")


def check_choices(example: Example) -> str:
    there = range(len(example.choices))
    outside = any(number not in there for number in example.right)
    return stored("a right choice is not among the choices") if outside else ""


CONVERSATION = Shape("conversation", stored("conversation"), ("messages",), dialogue)
PREFERENCE = Shape("preference", stored("preference pair"), ("chosen", "rejected"), preferred, check_pair)
PROMPT = Shape("prompt", stored("prompt with reward facts"), ("messages", "facts"), prompted, check_prompt)
TEXT = Shape("text", stored("text"), ("text",), lambda row: (row["text"] or "", ""))
LABELLED = Shape(
    "labelled",
    stored("labelled text"),
    ("text", "labels"),
    lambda row: (row["text"] or "", joined(row["labels"] or [])),
)
RETRIEVAL = Shape(
    "retrieval", stored("retrieval pair"), ("query", "positives"),
    lambda row: (row["query"] or "", next(iter(row["positives"] or []), "")),
)  # fmt: skip
CHOICES = Shape("choices", stored("exam item with choices"), ("messages", "choices", "right"), lettered, check_choices)

BUILT_IN = {
    name.lower(): f"tuneloop.records.shapes:{name}"
    for name in ("CONVERSATION", "PREFERENCE", "PROMPT", "TEXT", "LABELLED", "RETRIEVAL", "CHOICES")
}


def check_shape(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no shape."""
    if not isinstance(part, Shape):
        raise ValueError(_("it is not a Shape"))
    if part.name != name:
        raise ValueError(_("the shape is named {called!r}").format(called=part.name))
    if unknown := [field for field in part.needs if field not in Example.model_fields]:
        raise ValueError(_("an example has no field {field!r}").format(field=unknown[0]))


def absent(name: str) -> str:
    return _("there is no shape of an example {name!r}").format(name=name)


SHAPES: Door[Shape] = Door("tuneloop.example_shapes", BUILT_IN, check=check_shape, absent=absent)


def problem(example: Example) -> str:
    """Why an example is not what it says it is; ``""`` where it is. Raises ``NotFound`` for a shape not known here."""
    return SHAPES.find(example.shape).problem(example)


def sides(row: Row) -> tuple[str, str]:
    """What is given in a row and what is wanted, whatever its shape, and whoever wrote it. Never raises."""
    whole = {name: field.get_default(call_default_factory=True) for name, field in Example.model_fields.items()}
    whole |= {name: value for name, value in row.items() if value is not None}
    shape = SHAPES.usable(name) if (name := str(whole["shape"])) in SHAPES else None
    for one in (shape, CONVERSATION):
        try:
            found = one.sides(whole) if one else ("", "")
            if any(found):
                return str(found[0]), str(found[1])
        except Exception:  # a package's shape may fail on what another version of it wrote
            continue
    return next((str(whole[name]) for name in ("text", "query", "extra", "metadata") if whole[name]), ""), ""


def line(row: Row) -> str:
    """A row on one line: what is given → what is wanted."""
    given, wanted = sides(row)
    return f"{cut(given, 70)} → {cut(wanted, 80)}" if wanted else cut(given, 150)
