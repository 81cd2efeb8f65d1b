"""``export``: a dataset as a file for other tools."""

import sys
from pathlib import Path
from typing import BinaryIO

import click

from tuneloop.cli.options import as_json_option, command, print_json
from tuneloop.dataset import exporting
from tuneloop.errors import DONE, INCOMPLETE, TuneloopError
from tuneloop.language import _
from tuneloop.store import Store


@command()
@click.argument("ref", metavar="REF")
@click.option(
    "--format", "form", default="jsonl", show_default=True, metavar="NAME",
    help="How a row is written: openai, sharegpt, alpaca, dpo, csv; jsonl has all fields.",
)  # fmt: skip
@click.option("--output", "-o", metavar="FILE", help="File to write, or - for standard output.")
@click.option("--without", default="", metavar="FIELDS", help="Fields to leave out: sources,tags.")
@click.option("--guard", is_flag=True, help="In CSV, put an apostrophe before what a spreadsheet would compute.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@as_json_option
def export(
    ref: str, form: str, output: str | None, without: str, guard: bool, force: bool, as_json: bool
) -> int:  # fmt: skip
    """Write a dataset as a file for other tools."""
    store = Store.existing(though_full=True)
    address = store.artifacts.resolve(ref)
    exporting.check_kind(address)
    folder = store.artifacts.path(address)
    job = exporting.Export(folder, form, exporting.named_fields(without), guard)
    if output == "-" and as_json:
        raise TuneloopError(_("the file and the JSON object cannot both be on standard output"), where="--output")
    if output == "-":
        account = job.begin()
        pour(job, account, sys.stdout.buffer)
    else:
        tags = store.artifacts.get(address).tags
        output = output or exporting.file_name(address, tags[0] if tags else "", job)
        account = exporting.export(folder, form, Path(output), force=force, without=job.without, guard=guard)
    status = INCOMPLETE if account.lost else DONE
    if as_json:
        print_json({"artifact": str(address), "file": output, **account.as_json(), "status": status})
    else:
        tell(account, output)
    return status


def pour(job: exporting.Export, account: exporting.Account, out: BinaryIO) -> None:
    for part in exporting.written(job, account):
        out.write(part)
    out.flush()


def tell(account: exporting.Account, output: str) -> None:
    """What is in the file on standard output, and what is not on standard error."""
    if output != "-":
        click.echo(_("{file}: {count} examples").format(file=output, count=account.examples))
    for line in exporting.told(account):
        click.echo(f"tuneloop: {line}", err=True)
