"""``tuneloop demo``: the main job from documents to a measured, served model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from tuneloop.address import composed, name_from
from tuneloop.cli.display import Display, print_result
from tuneloop.cli.options import Choice, as_json_option, command, print_json, print_table
from tuneloop.errors import TuneloopError
from tuneloop.language import _, aside, joined
from tuneloop.runner import RunResult, Workspace, looked_into, told_together, worst
from tuneloop.text.encodings import readable_name

SOURCES = {"huggingface": "Hugging Face", "modelscope": "ModelScope", "pypi": "PyPI"}


@command()
@click.option(
    "--documents",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Your own files or folders, instead of Tuneloop's guide.",
)
@click.option(
    "--exam",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Questions with reference answers; without it, a part of the synthetic ones serves.",
)
@click.option("--language", type=Choice(["en", "zh"]), help="Language of the documents; guessed where left out.")
@click.option("--name", default="", help="Name of everything that is made.")
@click.option("--model", default="", help="Model to tune; a small one by default.")
@click.option("--teacher", default="", help="Model or endpoint that writes the questions.")
@click.option("--limit", default=-1, help="How many passages to ask questions about; 0 for all.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Folder for report.json and report.html.")
@click.option("--serve", is_flag=True, help="Leave the assistant running, with its chat page.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port for --serve.")
@as_json_option
def demo(documents: tuple[Path, ...], exam: Path | None, language: str | None, name: str, model: str, teacher: str,
         limit: int, out: Path, serve: bool, port: int, as_json: bool) -> None:  # fmt: skip
    """Run the whole life cycle on documents and write a report.

    Every stage that is done is reused; killed half-way, the same command continues.
    """
    from tuneloop.demo import RECIPES, Outcome, Pipeline, check_training, own_documents, write_report
    from tuneloop.demo.pipeline import check_begun, check_models, guess_language
    from tuneloop.store.names import check_name

    if name := composed(name):
        check_name(name)
    paths = list(documents)
    for path in [*paths, *([exam] if exam else [])]:
        if not path.exists():
            raise TuneloopError(_("there is no such file or folder"), where=str(path))
    language = language or (guess_language(paths) if paths else "en")
    if not paths:
        guide, questions = own_documents(language)
        paths, exam = [guide], exam or questions
    recipe = RECIPES[language]
    changed: dict[str, Any] = {k: v for k, v in (("base", model), ("teacher", teacher)) if v}
    if limit >= 0 or exam is None:  # an exam of its own questions needs more of them
        most = limit if limit >= 0 else recipe.synthesize["limit"] * 3 // 2
        changed["synthesize"] = {**recipe.synthesize, "limit": most}
    recipe = dataclasses.replace(recipe, **changed)
    check_training()  # now, and not after an hour of synthesis
    if serve:
        from tuneloop.cli.serve import check_port

        check_port("127.0.0.1", port)
    default = f"help-desk-{language}" if not documents else name_of(documents[0])
    outcome = Outcome(name=name or default, language=language, recipe=recipe, synthetic=exam is None)
    with looked_into() as found:
        check_models(found, recipe)
        check_begun(found, outcome, paths, exam)
    workspace = Workspace()
    announce(workspace, recipe.base, recipe.teacher)
    with Display(quiet=as_json) as display:

        def told(result: RunResult) -> None:
            if not as_json:
                print_result(result, as_json=False)

        Pipeline(workspace, outcome, watch=display.watch, told=told).run(paths, exam)
    data, page = write_report(workspace, outcome, out)
    body = finish(outcome, data, page, as_json=as_json, last=not serve)
    if serve:
        from tuneloop.cli.serve import serve as command_

        arguments = [
            f"model:{outcome.name}-q8_0",
            "--knowledge",
            f"index:{outcome.name}",
            "--no-auth",
            "--port",
            str(port),
            *(["--json"] if as_json else []),
        ]
        # with --json, what it says holds the report too
        if status := command_.main(arguments, standalone_mode=False, obj=body):
            click.get_current_context().exit(status)
    click.get_current_context().exit(worst(outcome.results.values()))


def announce(workspace: Workspace, *models: str) -> None:
    """Say first what will be brought from elsewhere, how much it is, and from where."""
    from tuneloop.models import CATALOGUE
    from tuneloop.telling import size

    here = set(workspace.store.artifacts.names("model"))
    missing = [e for e in CATALOGUE if e.name in models and e.name not in here]
    if not missing:
        return
    listed = joined(e.name + aside(size(e.bytes or e.parameters * 2)) for e in missing)
    sources = joined(dict.fromkeys(SOURCES[s.kind] for e in missing for s in e.sources))
    text = _("To be pulled: {models}, unless a folder of tuneloop.toml has them; from {sources}, in this order.")
    click.echo(text.format(models=listed, sources=sources), err=True)


def name_of(path: Path) -> str:
    """A name that an artifact can have, from that of a file or folder: ``My docs`` gives ``My-docs``."""
    return name_from(readable_name(path.resolve().name)) or "documents"


def finish(outcome, data: Path, page: Path, *, as_json: bool, last: bool = True) -> dict[str, Any]:
    """The table at the end, and where to look next. Returns the report; as JSON it is printed if nothing follows."""
    import json

    from tuneloop.demo.report import headline, table

    body = json.loads(data.read_text(encoding="utf-8")) | told_together(list(outcome.results.values()))
    if as_json:
        if last:
            print_json(body)
        return body
    click.echo()
    print_table(table(outcome), [_("stage"), _("time"), _("artifact"), _("lost"), _("set aside")])
    click.echo()
    asked, answered, *numbers = headline(body)
    click.echo(asked)
    click.echo(click.style(answered, bold=True))
    for line in numbers:
        click.echo(f"  {line}")
    click.echo("\n" + _("Report: {page} and {data}").format(page=page, data=data))
    click.echo(_("Go on:"))
    for line in body["commands"]:
        click.echo(f"  {line}")
    return body
