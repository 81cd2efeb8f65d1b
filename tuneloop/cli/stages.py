"""A command for each stage, made from its fields and its docstring."""

import inspect
import json
from typing import Any, get_args, get_origin

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tuneloop.choice import Choice, Named, choice_of, mark_of
from tuneloop.cli.options import FreeText, Translated
from tuneloop.errors import DONE, TuneloopError
from tuneloop.language import _, joined, labelled
from tuneloop.settings import describe_invalid
from tuneloop.stage import Stage, reference_kind


def is_list(field: FieldInfo) -> bool:
    kinds = [field.annotation, *get_args(field.annotation)]
    return any(get_origin(kind) is list or kind is list for kind in kinds)


def is_text(field: FieldInfo) -> bool:
    """Whether a typed value is taken as it is; anything else is decoded as JSON (``4`` is a number, ``null`` none)."""
    kinds = [a for a in (get_args(field.annotation) or (field.annotation,)) if a is not type(None)]
    return all(
        kind is str or isinstance(kind, str) or (get_origin(kind) is not None and is_text_like(kind)) for kind in kinds
    )


def is_text_like(kind: Any) -> bool:
    return all(
        argument is str or isinstance(argument, str) or not isinstance(argument, type) for argument in get_args(kind)
    )


def decode(field: FieldInfo, text: str) -> Any:
    if is_text(field):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def metavar(name: str, field: FieldInfo) -> str:
    if kind := reference_kind(field.annotation, field.metadata):
        return f"{kind}:NAME" if kind != "model" else "MODEL"
    mark = mark_of(field)
    if isinstance(mark, (Choice, Named)):
        return "|".join(mark.names())
    choices = [a for a in get_args(field.annotation) if isinstance(a, str)]
    if choices:
        return "|".join(choices)
    return {int: "INTEGER", float: "NUMBER"}.get(field.annotation, name.upper())  # type: ignore[arg-type]


def described(field: FieldInfo) -> str:
    text = field.description or ""
    return _(text)


def help_of(field: FieldInfo) -> str:
    text, default = described(field), field.default
    if choice := choice_of(field):
        default = choice.default
    if default in (PydanticUndefined, None, "") or default == []:
        return text
    shown = _("default: {default}").format(default=default)
    return f"{text} [{shown}]"


def parameter(name: str, field: FieldInfo, positional: bool) -> click.Parameter:
    required = field.is_required()
    if positional:
        return click.Argument(
            [name],
            required=required,
            nargs=-1 if is_list(field) else 1,
            metavar=metavar(name, field) + ("..." if is_list(field) else ""),
        )
    flag = "--" + name.replace("_", "-")
    if field.annotation is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}", name], default=None, help=help_of(field))
    named = reference_kind(field.annotation, field.metadata) or mark_of(field)
    is_free = field.annotation is str and not named
    kind = FreeText if is_free else click.Option
    return kind(
        [flag, name], required=required, multiple=is_list(field), metavar=metavar(name, field), help=help_of(field)
    )


def parameters(stage: type[Stage]) -> list[click.Parameter]:
    """What is typed: without a flag, then with one; after a choice the fields of what can be chosen."""
    fields = stage.model_fields
    found = [parameter(name, fields[name], True) for name in stage.positional]
    for name, field in fields.items():
        if name not in stage.positional:
            found.append(parameter(name, field, False))
        if choice := choice_of(field):
            found += [nested(stage, name, inner, by_part) for inner, by_part in choice.fields().items()]
    return found


WITHIN = "__"  # between a choice and its field where a name may hold no dot


def nested(stage: type[Stage], name: str, inner: str, by_part: dict[str, FieldInfo]) -> click.Option:
    """The option of a field that one or more parts of a choice have: ``--method.rank``, and ``--rank`` where short."""
    first, told = next(iter(by_part.values())), {}
    for part, field in by_part.items():
        told.setdefault(help_of(field), []).append(part)
    flags = ["--" + f"{name}.{inner}".replace("_", "-")]
    flags += ["--" + inner.replace("_", "-")] * (stage.short.get(inner) == name)
    yes = first.annotation is bool
    names = [f"{flag}/--no-{flag[2:]}" for flag in flags] if yes else flags
    shown = " ".join(labelled(joined(parts), text) for text, parts in told.items())
    return click.Option(
        [*names, f"{name}{WITHIN}{inner}"], default=None, help=shown, multiple=is_list(first) and not yes,
        metavar=None if yes else metavar(inner, first),
    )  # fmt: skip


def gathered(stage: type[Stage], values: dict[str, Any]) -> dict[str, Any]:
    """What was typed, with the fields of a choice inside it: an object with ``name`` where a name was typed."""
    body = {name: value for name, value in values.items() if WITHIN not in name}
    for key, value in values.items():
        name, _within, inner = key.partition(WITHIN)
        if not inner or value is None or value == ():
            continue
        whole = body.get(name)
        if isinstance(whole, str):
            whole = decode(stage.model_fields[name], whole)
        whole = {"name": whole} if isinstance(whole, str) else dict(whole or {})
        body[name] = {**whole, inner: typed_value(stage, name, whole.get("name"), inner, value)}
    return body


def typed_value(stage: type[Stage], name: str, part: Any, inner: str, value: Any) -> Any:
    """The value of a part's field, by the type that the field has there; where it has none, for the part to refuse."""
    choice = choice_of(stage.model_fields[name])
    by_part = choice.fields().get(inner, {}) if choice else {}
    field = by_part.get(part or (choice.default if choice else "")) or next(iter(by_part.values()), None)
    if field is None or not isinstance(value, (str, tuple)):
        return value
    return [decode(field, v) for v in value] if isinstance(value, tuple) else decode(field, value)


def stage_command(stage: type[Stage]) -> click.Command:
    """The command of a stage: its fields, and ``--name``, ``--rerun``, ``--json``."""
    fields, params = stage.model_fields, parameters(stage)
    name_help = _("Name of the output; where left out, one made from what goes in.")
    params += [
        click.Option(["--name", "_name"], metavar="NAME", default="", help=name_help),
        click.Option(["--rerun", "_rerun"], is_flag=True, help=_("Do it again, though it is done.")),
        click.Option(["--json", "_json"], is_flag=True, help=_("Print one JSON object.")),
    ]  # fmt: skip
    arguments = [(n, described(fields[n])) for n in stage.positional]
    head, _newline, rest = inspect.cleandoc(stage.__doc__ or "").partition("\n")
    text, rest = _(head), _(rest.strip())
    width = max((len(metavar(n, fields[n])) for n, _text in arguments), default=0)
    listing = "\n".join(f"{metavar(n, fields[n]):<{width}}  {d}" for n, d in arguments)
    listing = f"\n\n\b\n{listing}" if listing else ""

    def callback(_name: str, _rerun: bool, _json: bool, **values: Any) -> None:
        run_stage(build(stage, gathered(stage, values)), name=_name, rerun=_rerun, as_json=_json)

    return Translated(stage.name, params=params, callback=callback, help=f"{text}\n\n{rest}{listing}", short_help=text)


def build(stage: type[Stage], values: dict[str, Any]) -> Stage:
    """A stage from what was typed. Raises ``TuneloopError`` that names each bad option."""
    given: dict[str, Any] = {}
    for name, value in values.items():
        field = stage.model_fields.get(name)
        if field is None:  # a loop file may say anything; the model refuses it by name
            given[name] = value
            continue
        if value is None or value == ():
            continue
        if isinstance(value, (tuple, list)):
            given[name] = [decode(field, v) for v in value]
        else:
            given[name] = decode(field, value) if isinstance(value, str) else value
    try:
        return stage.model_validate(given)
    except ValidationError as error:
        raise TuneloopError(
            describe_invalid(error, stage), hint=_("See: tuneloop {stage} --help").format(stage=stage.name)
        ) from None


def run_stage(stage: Stage, *, name: str, rerun: bool, as_json: bool) -> None:
    from tuneloop.cli.display import Display, print_result
    from tuneloop.runner import workspace_for

    with Display(quiet=as_json) as display:
        result = workspace_for(stage, name).run(stage, name=name, rerun=rerun, watch=display.watch)
    print_result(result, as_json=as_json)
    click.get_current_context().exit(result.status or DONE)
