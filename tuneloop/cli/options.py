"""Options that several commands share."""

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any

import click

from tuneloop.cli.formatter import Context
from tuneloop.language import _

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class Translated(click.Command):
    """A command whose help is shown in the user's language."""

    context_class = Context

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.help = inspect.cleandoc(self.help or "")  # as the catalogue has it, whatever the version of Python

    def get_help(self, ctx: click.Context) -> str:
        self.help = _(self.help) if self.help else self.help
        for parameter in self.params:
            if isinstance(parameter, click.Option) and parameter.help:
                parameter.help = _(parameter.help)
        return super().get_help(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        text = self.short_help or self.help or ""
        return _(text).partition("\n")[0]


class TranslatedGroup(Translated, click.Group):
    """A group of commands whose help is shown in the user's language."""


command: Callable[..., Any] = functools.partial(click.command, cls=Translated)


printed: list[object] = []  # what this command has said as JSON: never a second object, also where it fails later


def print_json(value: Any) -> None:
    printed.append(value)
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def print_table(rows: list[list[str]], header: list[str]) -> None:
    """A plain table: columns as wide as their widest cell, Chinese counted two wide."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(table)
