"""Options that several commands share."""

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any

import click

from tuneloop.cli.formatter import Context
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.language import _, joined
from tuneloop.nearest import meant
from tuneloop.text.encodings import plain_text

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class FreeText(click.Option):
    """An option that may be empty: any text will do, and "" is one."""


def is_empty(name: str) -> TuneloopError:
    hint = _("A variable of the shell that is not set leaves such a gap.")
    return TuneloopError(_("{name} is empty").format(name=name), hint=hint)


def in_utf8(value: Any) -> Any:
    """A typed value, with the texts in it as any file and database can hold them (a stage's paths are known again)."""
    if isinstance(value, tuple):
        return tuple(map(in_utf8, value))
    return plain_text(value) if isinstance(value, str) else value


class Translated(click.Command):
    """A command whose help is shown in the user's language."""

    context_class = Context

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.help = inspect.cleandoc(self.help or "")  # as the catalogue has it, whatever the version of Python

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it; "" where something is to be named is refused, and bytes that are not UTF-8 are escaped."""
        given, _rest, _order = self.make_parser(ctx).parse_args(list(args))
        for parameter in self.params:
            value = given.get(parameter.name or "")
            if "" in (value if isinstance(value, (list, tuple)) else [value]) and not isinstance(parameter, FreeText):
                raise is_empty(
                    parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(ctx)
                )
        rest = super().parse_args(ctx, args)
        ctx.params = {name: in_utf8(value) for name, value in ctx.params.items()}
        return rest

    def get_help(self, ctx: click.Context) -> str:
        self.help = _(self.help) if self.help else self.help
        for parameter in self.params:
            if isinstance(parameter, click.Option) and parameter.help:
                parameter.help = _(parameter.help)
        return super().get_help(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        text = self.short_help or self.help or ""
        return _(text).partition("\n")[0]


class HelpfulGroup(click.Group):
    """A group that prints its help where no command follows, and suggests one for a command that does not exist."""

    def invoke(self, ctx: click.Context) -> Any:
        if not self.typed(ctx):
            click.echo(self.get_help(ctx))
            ctx.exit(0)
        return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])  # before a required option is missed

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        hint = meant(name, self.list_commands(ctx)) or _("See: {command} -h").format(command=ctx.command_path)
        raise NotFound(_("there is no command {name!r}").format(name=name), hint=hint)

    @staticmethod
    def typed(ctx: click.Context) -> list[str]:
        """The command and its arguments, after the options of the group itself."""
        return [*ctx._protected_args, *ctx.args]


class TranslatedGroup(HelpfulGroup, Translated):
    """A group of commands whose help is shown in the user's language."""


class Choice(click.Choice):
    """One of several words; a near miss is told which was most likely meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in self.choices:
            return value
        choices = joined(map(repr, self.choices))
        message = _("{value!r} is not one of {choices}.").format(value=value, choices=choices)
        return self.fail(f"{message} {meant(str(value), map(str, self.choices))}".strip(), param, ctx)


command: Callable[..., Any] = functools.partial(click.command, cls=Translated)


printed: list[object] = []  # what this command has said as JSON: never a second object, also where it fails later


def print_json(value: Any) -> None:
    printed.append(value)
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


GAP = "  "  # between the columns of a table


def print_table(rows: list[list[str]], header: list[str]) -> None:
    """A plain table: columns as wide as their widest cell, Chinese counted two wide.

    Where that is wider than the terminal, the widest columns are cut.
    """
    from rich.cells import cell_len
    from rich.console import Console

    console = Console()
    lines = [[cell.replace("\n", " ") for cell in row] for row in [header, *rows]]
    lengths = [[cell_len(cell) for cell in line] for line in lines]
    room = (console.width if console.is_terminal else PIPED) - len(GAP) * (len(header) - 1)
    widths = narrowed([max(column) for column in zip(*lengths, strict=True)], room)
    for number, (line, taken) in enumerate(zip(lines, lengths, strict=True)):
        shown = [cell_of(*facts) for facts in zip(line, taken, widths, strict=True)]
        text = GAP.join(shown)
        click.echo(click.style(text, bold=True) if not number else text)


PIPED = 200  # letters of a line that no terminal shows


def narrowed(widths: list[int], room: int) -> list[int]:
    """The widths of columns, the widest made narrower until they have room."""
    widths = list(widths)
    while sum(widths) > room and max(widths) > 4:
        widest = max(widths)
        next_one = max([4, *(width for width in widths if width < widest)])
        many = widths.count(widest)
        less = max(1, min(widest - next_one, -(-(sum(widths) - room) // many)))
        widths = [width - less if width == widest else width for width in widths]
    return widths


def cell_of(text: str, length: int, width: int) -> str:
    """A cell as wide as its column; what does not fit is cut, and ends with an ellipsis."""
    if length > width:
        from rich.cells import set_cell_size

        return set_cell_size(text, max(0, width - 1)) + "…"
    return text + " " * (width - length)
