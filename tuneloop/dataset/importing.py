"""Stage Import: a dataset that exists already, in one of the forms that people keep them in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, field_validator

from tuneloop.address import name_from
from tuneloop.choice import Named
from tuneloop.dataset.forms import FORMS
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.language import _, joined, shown, stored
from tuneloop.nearest import meant
from tuneloop.records import Example, Message, Origin, Source, content_id
from tuneloop.rows.seen import Seen
from tuneloop.stage import Context, Kind, Stage
from tuneloop.text.encodings import meant_path, plain_text, readable_name

if TYPE_CHECKING:
    from tuneloop.dataset.carried import Carried
    from tuneloop.dataset.rows import Row, Table
    from tuneloop.settings import Settings

REPEATED = stored("repeats an earlier row")
LOOKED_AT = 200  # rows that decide on the format


class ImportDataset(Stage):
    """Import a dataset: Alpaca, ShareGPT, OpenAI messages, CSV, or questions with answers; the format is detected."""

    name: ClassVar[str] = "import"
    makes: ClassVar[Kind] = "dataset"
    version: ClassVar[int] = 9
    resumes: ClassVar[bool] = False
    brought: ClassVar[bool] = True
    outside: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("file",)

    file: str = Field(description="File to import: JSON, JSONL, CSV, TSV or Parquet.")
    format: Annotated[str, Named(FORMS, also=("auto",))] = Field(
        "auto", description="How a row is written; auto looks at the rows."
    )
    columns: str = Field(
        "",
        description="Columns of question and answer, where their names are unusual: question=ask,answer=reply.",
    )
    encoding: str = Field("", description="Encoding of the file, such as gb18030; detected where empty.")
    limit: int = Field(0, ge=0, description="Greatest number of rows taken, from the start; 0 means all.")

    @field_validator("file")
    @classmethod
    def absolute(cls, value: str) -> str:
        """A run may be executed in another folder than the one it was asked for in."""
        if not value:  # which would be the current folder
            raise ValueError(stored("a path is empty"))
        return plain_text(str(Path(value).expanduser().absolute()))

    def fingerprint(self) -> str:
        import hashlib

        path = Path(meant_path(self.file))
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"{digest} {editions}" if (editions := self.editions()) else digest

    def editions(self) -> str:
        """The packages whose forms may read the rows, with their versions."""
        from tuneloop.dataset.forms import FORMS

        return FORMS.editions(name for name in FORMS.brought() if self.format in ("auto", name))

    def check_outside(self, settings: Settings) -> None:
        """The file, its encoding, the form of its first rows, and the columns that are named."""
        if not Path(meant_path(self.file)).exists():
            raise NotFound(_("there is no such file"), where=readable_name(self.file))
        self.understand(self.open())

    def output_name(self) -> str:
        return name_from(readable_name(Path(meant_path(self.file)).stem)) or "dataset"

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.kinds.dataset import EXAMPLES

        table = self.open()
        form, columns = self.understand(table)
        with Seen(ctx.checkpoint("seen")) as seen:
            importer = Importer(ctx, form, columns, seen)
            count = EXAMPLES.write(ctx.out, importer.examples(self.rows(table)))
        if not count:
            raise nothing_imported(table, importer.reasons)
        importer.tell_not_carried(table.name)
        return {
            "examples": count, "rejected": importer.reasons.total(), "format": form, "encoding": table.encoding,
            "columns": columns, "reasons": dict(importer.reasons.most_common()), "turns": importer.turns,
            "unanswerable": importer.unanswerable, "not_carried": dict(importer.not_carried.most_common()),
            "extra": dict(importer.extra.most_common()), "shapes": importer.shaped(),
        }  # fmt: skip

    def open(self) -> Table:
        from tuneloop.dataset.rows import open_table

        try:
            "".encode(self.encoding or "utf-8")
        except LookupError:
            raise TuneloopError(_("there is no encoding {!r}").format(self.encoding), where="encoding") from None
        return open_table(Path(meant_path(self.file)), self.encoding)

    def rows(self, table: Table) -> Iterator[Any]:
        from tuneloop.dataset.rows import read_rows

        return islice(read_rows(table), self.limit or None)

    def first_rows(self, table: Table) -> list[Row]:
        """The first rows that could be read. Raises where there is none."""
        from tuneloop.dataset.rows import Row

        rows: list[Row] = []
        reasons: Counter[str] = Counter()
        for row in self.rows(table):
            if isinstance(row, Row):
                rows.append(row)
            else:
                reasons[row.reason] += 1
            if len(rows) == LOOKED_AT:
                break
        if not rows:
            raise nothing_imported(table, reasons)
        return rows

    def understand(self, table: Table) -> tuple[str, dict[str, str]]:
        """The format of the rows, by majority, and which column plays which part."""
        from tuneloop.dataset.conversations import find_columns
        from tuneloop.dataset.forms import FORMS, form_of

        rows = self.first_rows(table)
        names = dict.fromkeys(str(name) for row in rows for name in row.values)
        columns = find_columns(names) | self.named_columns(list(names))
        form = self.format
        if form == "auto" and self.columns:
            form = "csv" if table.form == "csv" else "qa"
        elif form == "auto":
            votes = Counter(form_of(row.values) for row in rows)
            form = next((name for name, _count in votes.most_common() if name), "")
            form = "csv" if form == "qa" and table.form == "csv" else form
        by_columns = bool(form) and FORMS.find(form).by_columns
        if not form or (by_columns and not {"question", "answer"} <= set(columns)):
            raise TuneloopError(
                _("the format could not be detected; the columns are: {}").format(joined(names)[:200] or _("none")),
                where=table.name,
                hint=_("Say which columns to use: --columns question=NAME,answer=NAME"),
            )
        return form, columns if by_columns else {}

    def named_columns(self, names: list[str]) -> dict[str, str]:
        """What ``--columns`` says. Raises for a part or a column that does not exist."""
        from tuneloop.dataset.conversations import COLUMNS

        named: dict[str, str] = {}
        for pair in filter(None, (p.strip() for p in self.columns.split(","))):
            part, equals, column = (p.strip() for p in pair.partition("="))
            if not equals or part not in COLUMNS:
                hint = (equals and meant(part, COLUMNS)) or _("Write PART=COLUMN; parts are {}.").format(
                    joined(COLUMNS)
                )
                raise TuneloopError(_("{!r} names no part of a row").format(pair), where="columns", hint=hint)
            if column not in names:
                hint = meant(column, names) or _("The columns are: {}").format(joined(names)[:200])
                raise TuneloopError(_("there is no column {!r}").format(column), where="columns", hint=hint)
            named[part] = column
        return named


def nothing_imported(table: Table, reasons: Counter[str]) -> TuneloopError:
    """Why a file gives no example."""
    if reasons:
        hint = _("Most frequent reason: {}").format(shown(reasons.most_common(1)[0][0]))
        return TuneloopError(_("no row could be imported"), where=table.name, hint=hint)
    hint = _("Its first line is taken for the names of the columns.") if table.form == "csv" else ""
    return TuneloopError(_("the file holds no rows"), where=table.name, hint=hint)


class Importer:
    """Rows to examples; bad ones are set aside and counted."""

    def __init__(self, ctx: Context, form: str, columns: dict[str, str], seen: Seen) -> None:
        self.ctx, self.form, self.columns = ctx, form, columns
        self.seen = seen  # content ids with the place of their first row, and the names that rows have
        self.reasons: Counter[str] = Counter()
        self.not_carried: Counter[str] = Counter()  # rows by the field that is in no example
        self.extra: Counter[str] = Counter()  # rows by the field that is kept as it came
        self.shapes: Counter[str] = Counter()
        self.turns = self.unanswerable = 0

    def examples(self, rows: Iterator[Any]) -> Iterator[Example]:
        from tuneloop.dataset.rows import Broken
        from tuneloop.dataset.turn import BadRow

        for number, row in enumerate(rows, 1):
            if number % 500 == 0:
                self.ctx.progress(number, None, stored("rows"))
            if isinstance(row, Broken):
                self.set_aside(row.where, row.reason, row.detail, row.text)
                continue
            try:
                yield self.example(row)
            except BadRow as bad:
                self.set_aside(row.where, bad.reason, bad.detail, row.values)

    def example(self, row: Row) -> Example:
        """One row as an example. Raises ``BadRow``."""
        from tuneloop.dataset.turn import BadRow, text_of
        from tuneloop.records.shapes import problem

        carried = self.read(row)
        messages = carried.fields.get("messages", [])
        key = content_id(*identity(messages), *identity(carried.fields.get("rejected", [])), *content(carried.fields))
        if first := self.seen.note(key):
            raise BadRow(REPEATED, first)
        page = text_of(row.values.get(self.columns.get("page", "")), "page")
        named = text_of(row.values.get(self.columns.get("id", "")), "id")
        self.seen.add(key, row.where)
        named = named if named and self.seen.add(f"name {named}") else ""
        self.turns += sum(1 for m in messages if m.role == "assistant")
        self.not_carried.update(carried.lost)
        example = Example(
            id=named or key, origin=Origin.IMPORTED, sources=[Source(name=page)] if page else [], **carried.fields
        )
        if wrong := problem(example):
            raise BadRow(wrong)
        self.unanswerable += not example.answerable
        self.extra.update(example.extra.keys())
        self.shapes[example.shape] += 1
        return example

    def read(self, row: Row) -> Carried:
        """The fields of a row. Raises ``BadRow``; for what a package's form raises too, with the package named."""
        from tuneloop.dataset.forms import FORMS
        from tuneloop.dataset.turn import BadRow

        try:
            return FORMS.find(self.form).read(row.values, self.columns)
        except BadRow:
            raise
        except Exception as error:
            if not (package := FORMS.package(self.form)):
                raise
            reason = stored("the format {} of the package {} failed").format(self.form, package)
            raise BadRow(reason, f"{type(error).__name__}: {error}") from error

    def tell_not_carried(self, file: str) -> None:
        """Set the fields aside that are in no example; the rows themselves are imported."""
        for field, rows in self.not_carried.most_common():
            self.ctx.reject(file, stored("the field {} is left out of {} rows").format(field, rows), lost=True)

    def shaped(self) -> dict[str, int]:
        """Examples by their shape; empty where all are conversations."""
        return dict(self.shapes.most_common()) if set(self.shapes) - {"conversation"} else {}

    def set_aside(self, where: str, reason: str, detail: str, row: object) -> None:
        self.reasons[reason] += 1
        self.ctx.reject(where, f"{reason}: {detail}" if detail else reason, as_text(row), lost=reason != REPEATED)


def content(fields: dict[str, Any]) -> Iterator[str]:
    """What an example that is not a conversation says beside its messages."""
    for name in ("text", "labels", "query", "positives", "negatives", "choices", "right", "facts"):
        if name in fields:
            yield json.dumps([name, fields[name]], sort_keys=True)


def identity(messages: Iterable[Message]) -> Iterator[str]:
    """What makes a conversation another one: who says what, and what there is beside the text."""
    for message in messages:
        yield from (message.role, message.content)
        if more := message.model_dump(exclude={"role", "content"}, exclude_defaults=True):
            yield json.dumps(more, sort_keys=True)


def as_text(row: object) -> str:
    """A row as text that any file can hold: lone surrogates are written as escapes."""
    text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
