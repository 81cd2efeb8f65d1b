"""A dataset as a file for other tools: row by row, whole or not there, and with an account of what is not in it."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from secrets import token_hex
from typing import Any

from tuneloop.address import Address
from tuneloop.dataset.exporters import EXPORTERS, OPTIONAL, Exporter, NoPlace, Row, row_of, stripped
from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.kinds.dataset import EXAMPLES
from tuneloop.language import _, joined, shown, stored
from tuneloop.nearest import meant
from tuneloop.records import Example
from tuneloop.records.columns import to_text

BOM = "\ufeff"  # by which Excel knows UTF-8
# With which a cell begins that a spreadsheet program computes: https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
PART = 1 << 16  # characters that are written at once


@dataclass
class Account:
    """What is in a file of a dataset, and what is not."""

    format: str
    examples: int = 0  # in the file
    left_out: Counter[str] = field(default_factory=Counter)  # examples, by the reason
    not_carried: Counter[str] = field(default_factory=Counter)  # examples in the file, by the field that is not
    dropped: Counter[str] = field(default_factory=Counter)  # examples in the file, by the field that nobody wanted
    formulas: int = 0  # cells of a table that a spreadsheet program takes for a formula
    guarded: bool = False  # whether an apostrophe stands before them

    @property
    def lost(self) -> bool:
        """Whether something is not in the file that was not said to be left out."""
        return bool(self.left_out or self.not_carried)

    def as_json(self) -> dict[str, Any]:
        counted = {"left_out": self.left_out, "not_carried": self.not_carried, "dropped": self.dropped}
        return {
            "format": self.format, "examples": self.examples,
            **{name: dict(counter.most_common()) for name, counter in counted.items()},
            "formulas": self.formulas, "guarded": self.guarded,
        }  # fmt: skip


@dataclass(frozen=True)
class Export:
    """A dataset in a form. ``without``: fields that nobody wants: they are left out, and are no loss.

    ``guard``: put an apostrophe before cells of a table that a spreadsheet program would compute.
    """

    folder: Path  # of the artifact
    format: str
    without: tuple[str, ...] = ()
    guard: bool = False

    def __post_init__(self) -> None:
        """Raises for a format or a field that is not there."""
        EXPORTERS.find(self.format)
        if unknown := next((name for name in self.without if name not in OPTIONAL), None):
            hint = meant(unknown, OPTIONAL) or _("There are: {names}.").format(names=joined(OPTIONAL))
            raise TuneloopError(
                _("no field {field!r} can be left out").format(field=unknown), where="without", hint=hint
            )

    @property
    def exporter(self) -> Exporter:
        return EXPORTERS.find(self.format)

    def account(self) -> Account:
        """What would be in the file, without writing it. Raises where that would be nothing."""
        found = self.begin()
        for row in self.rows(found):
            if self.exporter.columns:
                self.cells(row, found)
        self.check(found)
        return found

    def begin(self) -> Account:
        return Account(self.format, guarded=self.guard and bool(self.exporter.columns))

    def check(self, account: Account) -> None:
        """Raise where nothing is in the file though there are examples."""
        if account.examples or not account.left_out:
            return
        reason, _count = account.left_out.most_common(1)[0]
        raise TuneloopError(
            _("no example can be written as {format}").format(format=self.format),
            hint=_("Most frequent reason: {}").format(shown(reason)),
        )

    def rows(self, account: Account) -> Iterator[Row]:
        """The rows in order; the account is of all that have come."""
        for example in EXAMPLES.read(self.folder):
            example, dropped = stripped(example, self.without) if self.without else (example, [])
            try:
                row, missing = self.row(example)
            except NoPlace as reason:
                account.left_out[reason.reason] += 1
                continue
            account.examples += 1
            account.dropped.update(dropped)
            account.not_carried.update(missing)
            yield row

    def row(self, example: Example) -> tuple[Row, list[str]]:
        """As ``row_of``; for what a package's form raises too, with the package named."""
        try:
            return row_of(self.exporter, example)
        except NoPlace:
            raise
        except Exception as error:
            if not (package := EXPORTERS.package(self.format)):
                raise
            reason = stored("the format {} of the package {} failed").format(self.format, package)
            raise NoPlace(reason) from error

    def parts(self, account: Account) -> Iterator[bytes]:
        """The bytes of the file, some at a time."""
        lines = self.table(account) if self.exporter.columns else (to_text(r) + "\n" for r in self.rows(account))
        waiting: list[str] = []
        size = 0
        for line in lines:
            waiting.append(line)
            size += len(line)
            if size >= PART:
                yield "".join(waiting).encode()
                waiting, size = [], 0
        yield "".join(waiting).encode()

    def table(self, account: Account) -> Iterator[str]:
        """The lines of a CSV file (RFC 4180), with its header."""
        yield BOM + line_of(self.exporter.columns)
        for row in self.rows(account):
            yield line_of(self.cells(row, account))

    def cells(self, row: Row, account: Account) -> list[str]:
        """The cells of a row, those that a spreadsheet program computes counted, and guarded where that is wanted."""
        found = ["" if (value := row.get(name)) is None else str(value) for name in self.exporter.columns]
        for number, cell in enumerate(found):
            if cell.startswith(FORMULA):
                account.formulas += 1
                found[number] = f"'{cell}" if self.guard else cell
        return found


def line_of(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().encode("utf-8", "backslashreplace").decode()


def export(
    folder: Path, format: str, file: Path, *, force: bool = False, without: Iterable[str] = (), guard: bool = False
) -> Account:
    """Write the dataset in an artifact's folder into a file: whole, or not at all.

    Raises ``Conflict`` where there is such a file and ``force`` is not given, and ``TuneloopError`` where no example
    has a place in the format. What is not in the file is in the account.
    """
    job = Export(folder, format, tuple(without), guard)
    check_free(file, force)
    account = job.begin()
    scratch = file.with_name(f".{token_hex(8)}.part")
    try:
        with scratch.open("xb") as out:
            for part in job.parts(account):
                out.write(part)
            job.check(account)
            out.flush()
            os.fsync(out.fileno())
        put(scratch, file, force)
    finally:
        scratch.unlink(missing_ok=True)
    return account


def put(scratch: Path, file: Path, force: bool) -> None:
    """Give a whole file its name; of one that has come meanwhile, never the place."""
    if force:
        scratch.replace(file)
        return
    try:
        os.link(scratch, file)
    except FileExistsError:
        check_free(file, force)
    except OSError:  # a file system without links
        check_free(file, force)
        scratch.replace(file)


def check_free(file: Path, force: bool) -> None:
    """Raise where a file may not be written."""
    if not file.parent.is_dir():
        raise NotFound(_("there is no such folder"), where=str(file.parent))
    if file.is_dir() or (file.exists() and not file.is_file()):
        raise TuneloopError(_("this is no file"), where=str(file), hint=_("Standard output is written as: -o -"))
    if file.exists() and not force:
        raise Conflict(_("there is such a file already"), where=str(file), hint=_("To replace it: --force"))


def written(job: Export, account: Account) -> Iterator[bytes]:
    """The bytes of a file that goes elsewhere. Raises before the first where no example has a place in the format."""
    parts = job.parts(account)
    first = next(parts, b"")
    job.check(account)
    return chain([first], parts)


def check_kind(address: Address) -> None:
    """Raise for an artifact that is no dataset."""
    if address.kind != "dataset":
        raise TuneloopError(_("only a dataset can be exported"), where=str(address.short))


def told(account: Account) -> Iterator[str]:
    """What is not in a file, a line each, in the reader's language."""
    for reason, count in account.left_out.most_common():
        yield _("examples left out: {count} – {reason}").format(count=count, reason=shown(reason))
    for field_, count in account.not_carried.most_common():
        yield _("the field {field} is not in the file; examples that have it: {count}").format(
            field=field_, count=count
        )
    if account.formulas and account.guarded:
        yield _("cells with an apostrophe before what a spreadsheet would compute: {count}").format(
            count=account.formulas
        )
    elif account.formulas:
        yield _("cells that a spreadsheet may take for a formula, written as they are: {count}").format(
            count=account.formulas
        )


def file_name(address: Address, name: str, job: Export) -> str:
    """What a file of a dataset is called where nobody says: ``clinic.openai.jsonl``."""
    ending = job.exporter.ending
    return f"{name or address.hash[:12]}.{ending if job.format == ending else f'{job.format}.{ending}'}"


def named_fields(text: str) -> tuple[str, ...]:
    """The fields in a text such as ``sources,tags``."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))
