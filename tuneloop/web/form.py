"""The form of a stage: made from its schema, and read back into its parameters.

What a browser sends is text, and nothing where a box is not ticked. An empty field stands for its default. The fields
are called ``field.NAME``: a name alone, such as ``dataset`` or ``method``, would hide what a browser's form has itself.
The fields of what can be chosen are all in the form, as ``field.method.lora.rank``; those of the chosen one are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from tuneloop.address import composed
from tuneloop.choice import Choice, choice_of
from tuneloop.errors import TuneloopError
from tuneloop.runner import Workspace
from tuneloop.settings import reason
from tuneloop.stage import Stage, listed
from tuneloop.store import Artifact

PREFIX = "field."
OTHER = ".other"  # what is typed where none of a list is meant
OUTPUT, AGAIN = "output.name", "output.again"


@dataclass(frozen=True)
class Field:
    """One field: how it is shown, and how it is read."""

    name: str
    description: str
    shape: str  # text, lines, number, boolean, choice, choices, part, reference, references, json
    required: bool = False
    default: Any = None
    choices: Sequence[Any] = ()
    kind: str = ""  # of the artifacts that a reference may name
    item: str = "string"  # the type of the values of a list
    here: bool = False  # a server's model will not do
    within: str = ""  # of a field of a part: ``method.lora.``
    parts: Mapping[str, Sequence[Field]] = field(default_factory=dict)  # the fields of each that can be chosen
    about: Mapping[str, str] = field(default_factory=dict)  # what each of them says of itself

    @property
    def place(self) -> str:
        """What the field is called among all of the form."""
        return self.within + self.name

    @property
    def key(self) -> str:
        return PREFIX + self.place

    @property
    def typed(self) -> bool:
        """Whether something that is not in the list may be typed: a model may lie on a server."""
        return self.kind == "model" and not self.here

    @property
    def several(self) -> bool:
        return self.shape in ("references", "choices", "lines")


@dataclass
class Given:
    """What somebody has filled in, and what is wrong with it."""

    values: Mapping[str, list[str]] = field(default_factory=dict)  # as sent: by the name in the form
    body: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # by field; "" is the form as a whole

    def text(self, key: str) -> str:
        return self.values.get(key, [""])[-1]

    def has(self, key: str, value: Any) -> bool:
        return str(value) in self.values.get(key, ())


def fields_of(stage: type[Stage]) -> list[Field]:
    """Every field of a stage, in the order in which it declares them."""
    schema, references = stage.model_json_schema(), stage.references()
    required, found = schema.get("required", []), []
    for name, facts in schema.get("properties", {}).items():
        if choice := choice_of(stage.model_fields[name]):
            found.append(chosen_from(name, facts, choice))
            continue
        shape, choices, item = shape_of(facts, schema.get("$defs", {}))
        if kind := references.get(name, ""):
            shape = "references" if shape in ("lines", "choices") else "reference"
        found.append(Field(
            name, facts.get("description", ""), shape, name in required, facts.get("default"), choices, kind, item,
            name in stage.kept_here(),
        ))  # fmt: skip
    return found


def chosen_from(name: str, facts: Mapping[str, Any], choice: Choice) -> Field:
    """A field that holds one of several parts, with the fields of each."""
    schemas = {one["properties"]["name"]["const"]: one for one in facts["oneOf"]}
    parts = {part: fields_of_part(schema, f"{name}.{part}.") for part, schema in schemas.items()}
    about = {part: (schema.get("description") or "").partition("\n")[0] for part, schema in schemas.items()}
    return Field(
        name, facts.get("description", ""), "part", default=choice.default, choices=list(parts), parts=parts,
        about=about,
    )  # fmt: skip


def fields_of_part(schema: Mapping[str, Any], within: str) -> list[Field]:
    found = []
    for name, facts in schema["properties"].items():
        if name != "name":
            shape, choices, item = shape_of(facts, {})
            found.append(Field(
                name, facts.get("description", ""), shape, False, facts.get("default"), choices, "", item,
                within=within,
            ))  # fmt: skip
    return found


def shape_of(facts: Mapping[str, Any], named: Mapping[str, Any]) -> tuple[str, list[Any], str]:
    """How a field is shown, its choices, and the type of the values of a list."""
    kinds = [resolved(one, named) for one in (facts.get("anyOf") or [facts])]
    kinds = [one for one in kinds if one.get("type") != "null"] or [{}]
    if len(kinds) > 1:  # a union of types: only JSON says which
        return "json", [], ""
    (kind,) = kinds
    if choices := choices_of(kind):
        return "choice", choices, ""
    shape = {"integer": "number", "number": "number", "boolean": "boolean", "string": "text"}.get(kind.get("type", ""))
    if kind.get("type") == "array":
        item = resolved(kind.get("items", {}), named)
        if choices := choices_of(item):
            return "choices", choices, item.get("type", "string")
        plain = item.get("type") in ("string", "integer", "number")
        return ("lines", [], item["type"]) if plain else ("json", [], "")
    if shape == "text" and kind.get("format", facts.get("format")) == "multiline":
        return "long", [], ""
    return shape or "json", [], ""


def resolved(kind: Mapping[str, Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
    return named.get(kind["$ref"].rpartition("/")[2], {}) if "$ref" in kind else kind


def choices_of(kind: Mapping[str, Any]) -> list[Any]:
    return [kind["const"]] if "const" in kind else list(kind.get("enum", ()))


def suggestions(workspace: Workspace, fields: Iterable[Field]) -> dict[str, list[tuple[str, Artifact]]]:
    """For each kind that the fields refer to, all there is: under each of its names, or its address, newest first."""
    found: dict[str, list[tuple[str, Artifact]]] = {}
    for kind in {one.kind for one in fields if one.kind}:
        named, nameless = [], []
        for artifact in workspace.store.artifacts.find(kind):
            named += [(f"{kind}:{tag}", artifact) for tag in artifact.tags]
            nameless += [] if artifact.tags else [(str(artifact.address), artifact)]
        found[kind] = named + nameless
    return found


def read(stage: type[Stage], sent: Mapping[str, list[str]]) -> Given:
    """The parameters that a form says, as the stage's class takes them; what is empty is left out."""
    given = Given(sent)
    given.body = read_fields(fields_of(stage), sent)
    return given


def read_fields(fields: Iterable[Field], sent: Mapping[str, list[str]]) -> dict[str, Any]:
    """What is sent for some fields, by their names; of a choice, the fields of the part that is chosen."""
    body: dict[str, Any] = {}
    for one in fields:
        values = [text.replace("\r\n", "\n") for text in sent.get(one.key, [])]
        if other := [text.strip() for text in sent.get(one.key + OTHER, []) if text.strip()]:
            values = [*values, *other] if one.several else other
        if one.shape == "lines":
            values = [line for text in values for line in text.split("\n")]
        kept = [value(one, text) for text in values if text.strip() or (one.shape in ("text", "long") and text)]
        if kept and one.shape == "part":
            body[one.name] = {"name": kept[-1], **read_fields(one.parts.get(kept[-1], ()), sent)}
        elif kept:
            body[one.name] = kept if one.several else kept[-1]
    return body


def value(one: Field, text: str) -> Any:
    """A text as a value of the field's type; where it is none it stays, for the stage to refuse."""
    if one.shape in ("choice", "choices", "part"):
        return next((choice for choice in one.choices if str(choice) == text), text)
    if one.shape in ("text", "long"):
        return text
    if one.shape in ("reference", "references") or (one.shape == "lines" and one.item == "string"):
        return text.strip()
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def check(stage: type[Stage], given: Given, workspace: Workspace) -> Stage | None:
    """The stage as it was filled in; None, with ``given.errors``, where something is wrong with it."""
    made: Stage | None = None
    try:
        made = stage.model_validate(given.body)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            place = place_of(stage, given, problem["loc"])
            given.errors.setdefault(place, reason(problem))
    check_output(stage, given, workspace)
    for name in stage.references() if made else ():
        for ref in listed(getattr(made, name)):
            try:
                workspace.referred(stage, name, ref)
            except TuneloopError as error:
                given.errors.setdefault(name, str(error))
    return None if given.errors else made


def place_of(stage: type[Stage], given: Given, where: Sequence[Any]) -> str:
    """What the field of an error is called in the form; "" where it is of none."""
    names = [str(part) for part in where]
    info = stage.model_fields.get(names[0]) if names else None
    if info and choice_of(info) and len(names) > 1:
        chosen = given.body.get(names[0])
        return f"{names[0]}.{chosen['name']}.{names[1]}" if isinstance(chosen, dict) else names[0]
    return names[0] if names else ""


def check_output(stage: type[Stage], given: Given, workspace: Workspace) -> None:
    if name := given.text(OUTPUT).strip():
        try:
            workspace.store.artifacts.check_free(stage.makes, composed(name))
        except TuneloopError as error:
            given.errors[OUTPUT] = str(error)


def as_sent(fields: Iterable[Field], params: Mapping[str, Any]) -> dict[str, list[str]]:
    """The parameters of an earlier run as a form would send them: what differs from the default."""
    sent: dict[str, list[str]] = {}
    for one in fields:
        given = params.get(one.name)
        if one.shape == "part":
            chosen = {"name": given} if isinstance(given, str) else given or {}
            name = str(chosen.get("name", one.default))
            sent |= {one.key: [name]} | as_sent(one.parts.get(name, ()), chosen)
            continue
        if given is None or (given == one.default and one.shape != "boolean"):
            continue
        values = given if one.several and isinstance(given, list) else [given]
        texts = [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
        sent[one.key] = ["\n".join(texts)] if one.shape == "lines" else texts
    return sent
