"""Fields whose values come through a door: a part's name (``Named``), or a part with fields of its own (``Choice``).

The door is asked when a value is looked at, never when a class is made: what an installed package brings is chosen,
described and refused like what is built in. Written, a choice is an object with the part's ``name`` and its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from tuneloop.doors import Door
from tuneloop.errors import NotFound
from tuneloop.language import _, joined, stored
from tuneloop.loopback import holds_a_secret
from tuneloop.nearest import meant, perhaps
from tuneloop.text.encodings import plain_text


def taken(text: str) -> str:
    """A text as a field keeps it. Raises ``ValueError`` where it may not be kept: what a stage is told is shown."""
    if holds_a_secret(text):
        raise ValueError(
            stored("a URL may not hold a password or a key: name the server in tuneloop.toml, with api_key_env")
        )
    return plain_text(text)


class Fields(BaseModel):
    """What people fill in. What no database, reply or system call takes is refused here, once for every surface."""

    model_config = ConfigDict(extra="forbid", validate_default=False)

    @field_validator("*", mode="before")
    @classmethod
    def _plain_text(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [taken(v) if isinstance(v, str) else v for v in value]
        return taken(value) if isinstance(value, str) else value


class Part(Fields):
    """Base of a part with fields. A subclass gives ``name``, fields with descriptions and defaults, a docstring."""

    name: ClassVar[str]

    def written(self) -> dict[str, Any]:
        """The part as lineage keeps it and as ``Choice`` reads it."""
        return {"name": self.name, **self.model_dump(mode="json")}


def check_part(name: str, part: Any, base: type[Part]) -> None:
    """Raise ``ValueError`` where a part is not of the class that its door takes, or cannot be filled in."""
    if not (isinstance(part, type) and issubclass(part, base)):
        raise ValueError(_("it is not a subclass of {base}").format(base=base.__name__))
    if (called := getattr(part, "name", None)) != name:
        raise ValueError(_("the class is named {called!r}").format(called=called))
    if lacking := [field for field, info in part.model_fields.items() if not info.description]:
        raise ValueError(_("these fields have no description: {fields}").format(fields=joined(lacking)))
    if needed := [field for field, info in part.model_fields.items() if info.is_required()]:
        raise ValueError(_("these fields have no default: {fields}").format(fields=joined(needed)))
    if getattr(part, "__abstractmethods__", None):
        raise ValueError(_("it lacks {names}").format(names=joined(sorted(part.__abstractmethods__))))


@dataclass(frozen=True)
class Named:
    """Marks a text that is the name of a part of a door, or one of the words ``also``."""

    door: Door[Any]
    also: tuple[str, ...] = ()

    def names(self) -> list[str]:
        return [*self.also, *self.door.names()]

    def check(self, name: str) -> str:
        """The name. Raises ``ValueError`` with the names there are, or with what is wrong with the package's part."""
        if name not in self.also:
            found(self.door, name, self.names())
        return name

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "enum": self.names()}


@dataclass(frozen=True)
class Choice:
    """Marks a field that holds a part of a door with its fields; ``default`` is the part where none is named."""

    door: Door[Any]
    default: str

    def read(self, value: Any) -> Part:
        """A part from a part, a name, or an object with ``name`` and fields.

        Raises ``ValueError`` for a name that is not there, ``ValidationError`` that names each wrong field.
        """
        if isinstance(value, Part):
            return value
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping):
            raise ValueError(stored("Input should be an object"))
        given = dict(value)
        part = found(self.door, taken(str(given.pop("name", self.default))), self.door.names())
        try:
            return part.model_validate(given)
        except ValidationError as error:
            raise named_in(error, part) from None

    def names(self) -> list[str]:
        return list(self.parts())

    def parts(self) -> dict[str, type[Part]]:
        """Every part that can be chosen, the default first."""
        parts = self.door.all()
        return {name: parts[name] for name in sorted(parts, key=lambda name: name != self.default)}

    def fields(self) -> dict[str, dict[str, FieldInfo]]:
        """Every field of any part, by its name, then by the parts that have it."""
        every: dict[str, dict[str, FieldInfo]] = {}
        for name, part in self.parts().items():
            for field, info in part.model_fields.items():
                every.setdefault(field, {})[name] = info
        return every

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(Part.written),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {
            "oneOf": [described(name, part) for name, part in self.parts().items()],
            "discriminator": {"propertyName": "name"},
        }


def found(door: Door[Any], name: str, names: Iterable[str]) -> Any:
    """A part of a door, or ``ValueError`` with what was most likely meant."""
    try:
        return door.find(name)
    except NotFound as error:
        names = list(names)
        hint = meant(name, names) or _("There are: {names}.").format(names=joined(names))
        raise ValueError(f"{error.message}. {hint}") from None


def named_in(error: ValidationError, part: type[Part]) -> ValidationError:
    """The same error, with each field that the part does not have named beside those that it has."""
    problems: list[InitErrorDetails] = []
    for one in error.errors(include_url=False):
        kind: Any = one["type"]
        if kind == "extra_forbidden":
            field = str(one["loc"][-1])
            text = _("{part} has no such option").format(part=part.name) + perhaps(field, part.model_fields)
            kind = PydanticCustomError("value_error", "{error}", {"error": text})
        elif kind == "value_error":
            kind = PydanticCustomError("value_error", "{error}", {"error": str(one["ctx"]["error"])})  # type: ignore[typeddict-item]
        problems.append(InitErrorDetails(type=kind, loc=one["loc"], input=one["input"], ctx=one.get("ctx", {})))
    return ValidationError.from_exception_data(part.__name__, problems)


def described(name: str, part: type[Part]) -> dict[str, Any]:
    """The JSON schema of a part, with its name as a constant and nothing left to look up."""
    schema = part.model_json_schema()
    schema = inlined({key: value for key, value in schema.items() if key != "$defs"}, schema.get("$defs", {}))
    properties = {"name": {"const": name, "type": "string"}, **schema.get("properties", {})}
    return {**schema, "title": name, "properties": properties}


def inlined(value: Any, named: Mapping[str, Any]) -> Any:
    """A schema with what it refers to in the places where it does."""
    if isinstance(value, dict):
        if "$ref" in value:
            return inlined(named[value["$ref"].rpartition("/")[2]], named)
        return {key: inlined(item, named) for key, item in value.items()}
    return [inlined(item, named) for item in value] if isinstance(value, list) else value


def mark_of(field: FieldInfo) -> Choice | Named | None:
    """The mark of a field's values, through ``Optional`` and ``list``."""
    return next(marks([*field.metadata, field.annotation]), None)


def marks(annotations: Iterable[Any]) -> Iterator[Any]:
    for one in annotations:
        if isinstance(one, (Choice, Named)):
            yield one
        else:
            yield from marks([*getattr(one, "__metadata__", ()), *get_args(one)])


def choice_of(field: FieldInfo) -> Choice | None:
    """The choice that a field is, if it is one."""
    mark = mark_of(field)
    return mark if isinstance(mark, Choice) else None
