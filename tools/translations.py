"""Collect every text that users see, merge it into the Chinese catalogue, and compile that.

    python tools/translations.py          # write the .po and the .mo
    python tools/translations.py --check  # exit 1 where a text has no translation, or the .mo is out of date

Texts come from ``_("…")`` in the code and the templates, from the docstrings and field descriptions of the stages, and
from the help of the commands.
"""

import argparse
import inspect
import io
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tuneloop.choice import choice_of  # noqa: E402

CATALOGUE = ROOT / "tuneloop" / "locale" / "zh_CN" / "LC_MESSAGES" / "tuneloop.po"


def stage_texts() -> Iterator[str]:
    from tuneloop.registry import BUILT_IN, find_stage

    for stage in map(find_stage, BUILT_IN):
        yield from texts_of_class(stage)


def texts_of_class(model: type[BaseModel]) -> Iterator[str]:
    """What a stage or a part says of itself and of its fields, and what the built-in parts say that it may hold."""
    head, _newline, rest = inspect.cleandoc(model.__doc__ or "").partition("\n")
    yield head
    yield rest.strip()
    for name, field in model.model_fields.items():
        yield field.description or ""
        yield name.replace("_", " ")  # its label in the form
        if choice := choice_of(field):
            for part in choice.door.built_in:
                yield from texts_of_class(choice.door.find(part))


def command_texts() -> Iterator[str]:
    from tuneloop.cli import COMMANDS, GROUPS, STAGES, STAGES_TITLE

    yield from (*GROUPS, STAGES_TITLE, *STAGES.values())
    for target, line in COMMANDS.values():
        yield line
        module, _colon, attribute = target.partition(":")
        yield from texts_of(getattr(import_module(module), attribute))


def texts_of(command: click.Command) -> Iterator[str]:
    yield command.help or ""
    for parameter in command.params:
        yield getattr(parameter, "help", None) or ""
    for below in getattr(command, "commands", {}).values():
        yield from texts_of(below)


def template_texts() -> Iterator[str]:
    for path in sorted((ROOT / "tuneloop").rglob("*.html")):
        found = re.findall(r"""\b(?:t|_)\((?:"([^"]+)"|'([^']+)')\)""", path.read_text(encoding="utf-8"))
        yield from (one or two for one, two in found)
    yield from ("queued", "running", "done", "failed", "cancelled")


def collect() -> Catalog:
    """Every message there is, with where it stands for those in code."""
    catalog = Catalog(locale="zh_CN", project="Tuneloop", charset="utf-8")
    rows = extract_from_dir(
        str(ROOT / "tuneloop"), [("**.py", "python")], keywords={"_": None, "stored": None}, strip_comment_tags=True
    )
    for file, _line, message, _comments, _context in rows:
        for text in [message] if isinstance(message, str) else message or ():
            if text:
                catalog.add(text, locations=[(f"tuneloop/{file}", None)])
    for text in (*stage_texts(), *command_texts(), *template_texts()):
        if text.strip():
            catalog.add(text)
    return catalog


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    fresh = collect()
    have = read_po(CATALOGUE.open("rb"), locale="zh_CN") if CATALOGUE.exists() else Catalog(locale="zh_CN")
    missing = [m.id for m in fresh if m.id and not (have.get(m.id) and have.get(m.id).string)]
    if check:
        for text in missing:
            print(f"no translation: {str(text)[:100]!r}")
        compiled = io.BytesIO()
        write_mo(compiled, have)
        path = CATALOGUE.with_suffix(".mo")
        stale = not path.exists() or path.read_bytes() != compiled.getvalue()
        if stale:
            print("the compiled catalogue is out of date: make translations")
        return int(bool(missing) or stale)
    for message in fresh:
        if message.id and (old := have.get(message.id)):
            message.string = old.string
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    with CATALOGUE.open("wb") as file:
        write_po(file, fresh, sort_output=True, omit_header=False, width=110, include_lineno=False)
    with CATALOGUE.with_suffix(".mo").open("wb") as file:
        write_mo(file, read_po(CATALOGUE.open("rb"), locale="zh_CN"))
    print(f"{len(fresh)} messages, {len(missing)} without a translation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
