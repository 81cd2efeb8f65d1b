"""The stage that reads files."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.language import _, in_turn, shown, stored
from tuneloop.stage import Context, Kind, Stage
from tuneloop.text.encodings import plain_text, readable_name

if TYPE_CHECKING:
    from tuneloop.documents.files import SourceFile
    from tuneloop.documents.reader import Job
    from tuneloop.settings import Settings

SHOWN = 3  # reasons in an error


class Parse(Stage):
    """Read Markdown, HTML, text, CSV, Word and PDF files as clean text with headings and pages."""

    name: ClassVar[str] = "parse"
    makes: ClassVar[Kind] = "documents"
    version: ClassVar[int] = 7
    counted: ClassVar[str] = "files"
    brought: ClassVar[bool] = True
    outside: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("paths",)

    paths: list[str] = Field(min_length=1, description="Files, folders or patterns such as 'docs/**/*.md'.")
    max_mb: int = Field(200, ge=1, le=100_000, description="Largest file that is read, in megabytes.")
    seconds: int = Field(120, ge=1, le=86_400, description="Longest time that one file may take.")

    @field_validator("paths")
    @classmethod
    def _absolute(cls, paths: list[str]) -> list[str]:
        """The run may be made by a process in another folder."""
        if "" in paths:  # which would be the current folder
            raise ValueError(stored("a path is empty"))
        return [plain_text(os.path.abspath(os.path.expanduser(path))) for path in paths]  # noqa: PTH100, PTH111 (patterns)

    def fingerprint(self) -> str:
        from tuneloop.documents.files import fingerprint

        return fingerprint(self._files())

    def check_outside(self, settings: "Settings") -> None:
        self._files()

    def output_name(self) -> str:
        from tuneloop.documents.files import name_of_paths

        return name_of_paths(self.paths) or "documents"

    def _files(self) -> list["SourceFile"]:
        """All files named. Raises where none of the paths has any; one that has none, among others, is lost."""
        from tuneloop.documents.files import EMPTY, MISSING, find_files

        files = find_files(self.paths, self.max_mb)
        if all(file.problem in (*MISSING, EMPTY) for file in files):
            kind = TuneloopError if files[0].problem == EMPTY else NotFound
            raise kind(shown(files[0].problem), where=readable_name(str(files[0].path)))
        return files

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.kinds.documents import DOCUMENTS

        files = self._files()
        facts = Facts()
        ctx.phase(stored("Reading {count} files").format(count=len(files)))
        jobs = self._jobs(ctx, files, facts)
        self._read(ctx, jobs, len(files) - len(jobs), len(files))
        count = DOCUMENTS.write(ctx.out, self._documents(ctx, jobs, facts))
        if not count:
            message = _("none of the {count} files could be read").format(count=len(files))
            raise TuneloopError(message, hint=in_turn(facts.reasons))
        return facts.summary()

    def _jobs(self, ctx: Context, files: list["SourceFile"], facts: "Facts") -> list["Job"]:
        """The files that are worth opening, each content once."""
        from tuneloop.documents.files import hash_content
        from tuneloop.documents.reader import Job
        from tuneloop.records import content_id

        folder = ctx.checkpoint("documents")
        folder.mkdir(parents=True, exist_ok=True)
        jobs: list[Job] = []
        first: dict[str, str] = {}
        for file in files:
            problem, sha256 = file.problem, ""
            if not problem:
                try:
                    sha256 = hash_content(file.path)
                except OSError as error:
                    problem = stored("cannot be read: {}").format(error.strerror)
            if sha256 in first:
                problem = stored("the same content as {}").format(first[sha256])
            if problem:
                facts.reject(ctx, file.name, problem, lost=file.expected and sha256 not in first)
                continue
            first[sha256] = file.name
            kept = folder / f"{content_id(str(self.version), file.name, sha256)}.json"
            jobs.append(Job.of(file.path, file.name, sha256, file.size, kept))
        return jobs

    def _read(self, ctx: Context, jobs: list["Job"], done: int, total: int) -> None:
        """Have every file read that is not yet kept from a run that was cut short."""
        from tuneloop.documents.reader import as_path, load_outcome, read_files

        missing = [job for job in jobs if load_outcome(as_path(job.out)) is None]
        done += len(jobs) - len(missing)
        ctx.progress(done, total, "files")
        missing.sort(key=lambda job: -job.size)  # the long ones first, so that no worker waits at the end

        def told(part: float) -> None:
            ctx.progress(done + part, total, "files")

        for _job in read_files(missing, self.seconds, told):
            done += 1
            ctx.progress(done, total, "files")

    def _documents(self, ctx: Context, jobs: list["Job"], facts: "Facts") -> Iterator[Any]:
        """The documents in the order of their names; what was set aside is rejected on the way."""
        from tuneloop.documents.reader import as_path, load_outcome

        for job in jobs:
            outcome = load_outcome(as_path(job.out))
            if outcome is None:
                raise TuneloopError(_("the checkpoint of this run was removed while it was used"), where=job.name)
            for where, reason in outcome.set_aside:
                facts.reject(ctx, f"{job.name}, {where}" if where else job.name, reason)
            facts.left_out.update(outcome.left_out)
            if outcome.document:
                facts.add(outcome.document, job.size)
                yield outcome.taken()


class Facts:
    """What is said of the whole at the end."""

    def __init__(self) -> None:
        self.reasons: list[tuple[str, str]] = []  # the first ones
        self.rejected = 0
        self.types: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()  # characters by the rule
        self.documents = self.characters = self.pages = self.bytes = 0

    def reject(self, ctx: Context, where: str, reason: str, *, lost: bool = True) -> None:
        self.rejected += 1
        if len(self.reasons) < SHOWN:
            self.reasons.append((where, reason))
        ctx.reject(where, reason, lost=lost)

    def add(self, document: Any, size: int) -> None:
        self.documents += 1
        self.characters += len(document.text)
        self.pages += document.pages or 0
        self.bytes += size
        self.types[Path(document.name).suffix.lower().lstrip(".")] += 1
        self.languages[document.language or "other"] += 1

    def summary(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            "characters": self.characters,
            "bytes": self.bytes,
            "pages": self.pages,
            "types": dict(sorted(self.types.items())),
            "languages": dict(sorted(self.languages.items())),
            "left_out": dict(self.left_out.most_common()),
            "rejected": self.rejected,
        }
