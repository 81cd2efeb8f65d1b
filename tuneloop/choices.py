"""A field whose values are the names behind a door: every surface lists them, and what a package brings is among them.

    format: Annotated[str, OneOf("tuneloop.dataset.importers:IMPORTERS", also=("auto",))] = Field("auto", …)

It is refused, described and shown as a ``Literal`` is. The door is opened when a value is checked or a surface is made,
and no part of it is loaded for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from tuneloop.doors import Door


@dataclass(frozen=True)
class OneOf:
    """Marks a text field. ``door`` is written ``module:ATTRIBUTE``; ``also`` are values that no part stands for, and
    ``but`` are parts that will not do here."""

    door: str
    also: tuple[str, ...] = ()
    but: tuple[str, ...] = ()

    def opened(self) -> Door[Any]:
        module, _colon, attribute = self.door.partition(":")
        return getattr(import_module(module), attribute)

    def names(self) -> list[str]:
        """Every value that may be given."""
        return [*self.also, *(name for name in self.opened().names() if name not in self.but)]

    def checked(self, value: str) -> str:
        if value in self.names():
            return value
        *first, last = (repr(name) for name in self.names())
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(first)} or {last}" if first else last})

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": self.names()}


def choices_in(metadata: Iterable[Any]) -> list[str]:
    """The values that a field with these marks may have; none where it takes any."""
    return next((mark.names() for mark in metadata if isinstance(mark, OneOf)), [])
