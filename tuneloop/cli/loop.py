"""A loop as a file: the stages of a TOML file, one after the other."""

import tomllib
from pathlib import Path
from typing import Any

import click

from tuneloop.address import composed
from tuneloop.cli.options import as_json_option, command, print_json
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _, agreeing, aside, colon
from tuneloop.nearest import nearest
from tuneloop.stage import listed


def read_loop(path: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """The stages of a loop file as ``(stage, name, fields)``. Raises with the number of the table that is wrong."""
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TuneloopError(_("there is no such file"), where=str(path)) from None
    except OSError as error:
        raise TuneloopError(_("cannot be read: {reason}").format(reason=told(error)), where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TuneloopError(_("not valid TOML: {reason}").format(reason=told(error)), where=str(path)) from None
    tables = body.pop("stage", None)
    if body or not isinstance(tables, list) or not tables:
        raise TuneloopError(_("a loop file is a list of [[stage]] tables and nothing else"), where=str(path))
    found = []
    for number, table in enumerate(tables, 1):
        if not isinstance(table, dict) or not isinstance(table.get("stage"), str):
            raise TuneloopError(_('this table does not say which stage it is: stage = "parse"'), where=at(path, number))
        fields = dict(table)
        found.append((fields.pop("stage"), composed(str(fields.pop("name", ""))), fields))
    return found


def at(file: Path, number: int, stage: str = "") -> str:
    """Where in a loop file."""
    return f"{file}{colon()}[[stage]] {number}" + (aside(stage) if stage else "")


class LoopFailed(TuneloopError):
    """A stage of a loop failed, or could not be begun. ``more``: what ``--json`` says beside, with the runs done."""

    def __init__(self, error: TuneloopError, place: str, stage: str, stages: int, done: list[Any], *,
                 valid: bool = True) -> None:  # fmt: skip
        where = place + colon() + error.where if error.where else place
        super().__init__(error.message, where=where, hint=error.hint)
        self.result, self.bug = getattr(error, "result", None), getattr(error, "bug", False)
        self.more = {"stage": stage, "stages": stages, "valid": valid, "runs": [run.as_json() for run in done]}


def check_inputs(workspace: Any, stage: Any, made: set[str]) -> None:
    """Raise where a step refers to what is not there and was not ``made`` by a step before it, in the kind it needs."""
    for field, kind in stage.references().items():
        for value in listed(getattr(stage, field)):
            if composed(value if value.startswith(f"{kind}:") else f"{kind}:{value}") in made:
                continue
            try:
                workspace.check_key(workspace.referred(stage, field, value))  # it is here, or its server can be asked
            except NotFound as error:
                near = nearest(value, [m if ":" in value else m.partition(":")[2] for m in made if m.startswith(kind)])
                hint = _("Did you mean {name!r}?").format(name=near) if near else error.hint
                raise NotFound(error.message, where=field, hint=hint) from None
            except TuneloopError as error:
                raise TuneloopError(error.message, where=field, hint=error.hint) from None
    stage.check_outside(workspace.store.settings)


def check_steps(workspace: Any, file: Path, steps: list[tuple[Any, str]]) -> None:
    """Every reference and file of a loop, before its first stage is run. Raises ``LoopFailed`` for the first."""
    made: set[str] = set()
    for number, (stage, name) in enumerate(steps, 1):
        try:
            name = composed(name or stage.default_name())
            workspace.store.artifacts.check_free(stage.makes, name) if name else None
            check_inputs(workspace, stage, made)
        except TuneloopError as error:
            place = at(file, number, stage.name)
            raise LoopFailed(error, place, stage.name, len(steps), [], valid=False) from None
        made.add(f"{stage.makes}:{name}")


@command()
@click.argument("file", type=click.Path(path_type=Path), metavar="LOOP.toml")
@click.option("--check", is_flag=True, help="Only validate the file, with the artifacts and files that it names.")
@as_json_option
def run(file: Path, check: bool, as_json: bool) -> None:
    """Run the stages listed in a TOML file, in order; stages that are done are reused."""
    from tuneloop.cli.display import Display, print_result
    from tuneloop.cli.stages import build
    from tuneloop.registry import find_stage
    from tuneloop.runner import Workspace, looked_into, told_together, worst

    steps = []
    for number, (stage, name, fields) in enumerate(read_loop(file), 1):
        try:
            steps.append((build(find_stage(stage), fields), name))
        except TuneloopError as error:
            raise TuneloopError(error.message, where=at(file, number, stage), hint=error.hint) from None
    with looked_into() as workspace:
        check_steps(workspace, file, steps)
    if not check:
        workspace = Workspace()
    results = []
    for stage, name in [] if check else steps:
        try:
            with Display(quiet=as_json) as display:
                results.append(workspace.run(stage, name=name, watch=display.watch))
        except TuneloopError as error:
            place = at(file, len(results) + 1, stage.name)
            raise LoopFailed(error, place, stage.name, len(steps), results) from None
        if not as_json:
            print_result(results[-1], as_json=False)
    if as_json:
        runs = [result.as_json() for result in results]
        print_json({"stages": len(steps), "valid": True, **told_together(results), "runs": runs})
    elif check:
        click.echo(
            agreeing(len(steps), _("{count} stage, valid."), _("{count} stages, all valid.")).format(count=len(steps))
        )
    click.get_current_context().exit(worst(results))
