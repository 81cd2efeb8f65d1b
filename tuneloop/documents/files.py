"""Which files the user means: files, folders and patterns become a sorted list, each file once and under one name."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tuneloop.encoding import meant_path, readable_name
from tuneloop.language import stored

READABLE = frozenset([
    ".md", ".markdown", ".mdown", ".mdx", ".html", ".htm", ".xhtml", ".txt", ".text", ".docx", ".pdf", ".csv", ".tsv",
])  # fmt: skip
INSTEAD = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp"), stored("an image, needs OCR")),
    ".doc": stored("legacy Word format: save it as .docx"), ".wps": stored("WPS format: save it as .docx"),
    ".ppt": stored("legacy PowerPoint format"), ".xls": stored("legacy Excel format: save it as .csv"),
}  # fmt: skip
LINK = stored("a link to a folder, which is not followed: name that folder too")
CLOSED = stored("cannot be read: {}")


@dataclass(frozen=True)
class SourceFile:
    """One file to parse. ``problem`` says why it cannot be, where that is known before it is opened."""

    path: Path
    name: str  # below the folder that the user named, with forward slashes
    size: int = 0  # bytes
    problem: str = ""


@dataclass
class Found:
    """The files below one path or pattern."""

    root: Path  # the folder that names are relative to
    files: list[SourceFile] = field(default_factory=list)


def find_files(paths: list[str], max_mb: int) -> list[SourceFile]:
    """All files that ``paths`` name, sorted by name; what is missing or too large is among them, with its problem."""
    found = [find(path, max_mb) for path in paths]
    seen: set[str] = set()
    for part in found:
        part.files = [f for f in part.files if (real := os.path.realpath(f.path)) not in seen and not seen.add(real)]
    return sorted(with_unique_names(found), key=lambda file: (file.name, str(file.path)))


def find(path: str, max_mb: int) -> Found:
    """The files below one path: all of a folder, or those that a pattern matches."""
    path = meant_path(path)
    place = Path(path).expanduser()
    if place.is_dir():
        return Found(place, [look_at(Path(file), place, max_mb, problem) for file, problem in walk(place)])
    if place.exists() or not glob.has_magic(path):
        return Found(place.parent, [look_at(place, place.parent, max_mb)])
    root = fixed_part(place)
    files: list[SourceFile] = []
    for match in sorted(glob.glob(str(place), recursive=True)):  # noqa: PTH207
        if Path(match).is_dir():
            continue
        files.append(look_at(Path(match), root, max_mb))
    return Found(root, files or [SourceFile(place, readable_name(path), problem="no file matches the pattern")])


def fixed_part(pattern: Path) -> Path:
    """The folder before the first wildcard."""
    parts = pattern.parts
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first]) if first else Path()


def walk(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below a folder, and with its problem each folder that is not entered.

    Hidden files and folders and Office's lock files are skipped.
    """
    closed: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if os.path.islink(path := os.path.join(here, name)):  # noqa: PTH114, PTH118 (os.walk gives strings)
                yield path, LINK
        for name in files:
            if not name.startswith((".", "~$")):
                yield os.path.join(here, name), ""  # noqa: PTH118
    for error in closed:
        yield str(error.filename), CLOSED.format(error.strerror)


def look_at(path: Path, root: Path, max_mb: int, problem: str = "") -> SourceFile:
    """A file, or a folder with a problem, with what can be said of it without opening it."""
    name = readable_name(path.relative_to(root).as_posix() if path != root else path.name)
    if problem:
        return SourceFile(path, name, problem=problem)
    suffix = path.suffix.lower()
    try:
        facts = path.stat()
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return SourceFile(path, name, problem="no such file or folder")
        return SourceFile(path, name, problem=CLOSED.format(error.strerror))
    if not path.is_file():
        problem = stored("not a regular file")
    elif suffix not in READABLE:
        other = (
            stored("files of type {} are not read").format(readable_name(suffix))
            if suffix
            else stored("has no file type")
        )
        problem = INSTEAD.get(suffix) or other
    elif facts.st_size == 0:
        problem = stored("empty")
    elif facts.st_size > max_mb * 1_000_000:
        size = f"{facts.st_size / 1e6:.0f}"
        problem = stored("larger than {} MB ({} MB); raise --max-mb to read it").format(max_mb, size)
    return SourceFile(path, name, facts.st_size, problem)


def with_unique_names(found: list[Found]) -> list[SourceFile]:
    """Where two folders hold files of the same name, the folder's own name is put before it, then a number."""
    times = Counter(file.name for part in found for file in part.files)
    named: list[tuple[SourceFile, str]] = []
    for part in found:
        prefix = readable_name(part.root.absolute().name)
        named += [(f, f"{prefix}/{f.name}" if times[f.name] > 1 and prefix else f.name) for f in part.files]
    used: Counter[str] = Counter()
    files = []
    for file, name in named:
        used[name] += 1
        unique = name if used[name] == 1 else f"{used[name]}/{name}"
        files.append(SourceFile(file.path, unique, file.size, file.problem))
    return files


def hash_content(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(files: list[SourceFile]) -> str:
    """Changes when a name, a problem or a byte changes. Of a file with a problem only its size is looked at."""
    digest = hashlib.sha256()
    for file in files:
        try:
            content = f"{file.size} {file.problem}" if file.problem else hash_content(file.path)
        except OSError as error:
            content = f"unreadable: {error.strerror}"
        digest.update(f"{file.name}\0{content}\n".encode())
    return digest.hexdigest()
