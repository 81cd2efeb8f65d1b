"""Which files the user means: files, folders and patterns become a sorted list, each file once and under one name."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tuneloop.address import name_from
from tuneloop.documents.readers import READERS, ending
from tuneloop.language import stored
from tuneloop.text.encodings import meant_path, readable_name

INSTEAD = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp"), stored("an image, needs OCR")),
    ".doc": stored("legacy Word format: save it as .docx"), ".wps": stored("WPS format: save it as .docx"),
    ".ppt": stored("legacy PowerPoint format"), ".xls": stored("legacy Excel format: save it as .csv"),
    # What holds documents is missed where it is not read; what else lies in a folder is not.
    **dict.fromkeys((".xlsx", ".xlsm", ".ods", ".et"), stored("a spreadsheet, not read yet: save it as .csv")),
    **dict.fromkeys((".pptx", ".odp", ".dps"), stored("slides, not read yet: save them as .pdf")),
    **dict.fromkeys((".odt", ".rtf", ".pages"), stored("a text document, not read yet: save it as .docx")),
    **dict.fromkeys(
        (".epub", ".ofd", ".xps", ".rst", ".adoc", ".tex"), stored("a document format that is not read yet")
    ),
    **dict.fromkeys((".eml", ".msg"), stored("an e-mail, not read yet: save it as .txt or .html")),
}  # fmt: skip
ILLUSTRATIONS = frozenset(type_ for type_, reason in INSTEAD.items() if "OCR" in reason)  # a folder is full of them
LINK = stored("a link to a folder, which is not followed: name that folder too")
LEADS_OUT = stored("a link that leads out of the folder, which is not followed: name that file too")
CLOSED = stored("cannot be read: {}")
MISSING = (stored("no such file or folder"), stored("no file matches the pattern"))
EMPTY = stored("the folder holds no files")


@dataclass(frozen=True)
class SourceFile:
    """One file to parse. ``problem`` says why it cannot be, where that is known before it is opened."""

    path: Path
    name: str  # below the folder that the user named, with forward slashes
    size: int = 0  # bytes
    problem: str = ""
    expected: bool = True  # to be read; False of what only lies in the same folder, and of what is read elsewhere


@dataclass
class Found:
    """The files below one path or pattern."""

    root: Path  # the folder that names are relative to
    files: list[SourceFile] = field(default_factory=list)
    whole: bool = False  # all of the folder
    alone: bool = False  # one file, named by itself


def find_files(paths: list[str], max_mb: int) -> list[SourceFile]:
    """All files that ``paths`` name, sorted by name; what is missing or too large is among them, with its problem."""
    found = [find(path, max_mb) for path in paths]
    seen: set[str] = set()
    inside = [os.path.realpath(part.root) for part in found if part.whole]
    allowed = [os.path.realpath(part.root) for part in found if not part.alone]
    allowed += [os.path.realpath(file.path) for part in found if part.alone for file in part.files]
    for part in found:
        part.files = [replace(f, expected=f.expected and not read_elsewhere(f, inside)) for f in part.files]
        part.files = [refuse_link(file, allowed) for file in part.files]
        part.files = [f for f in part.files if (key := identity(f)) not in seen and not seen.add(key)]
    return sorted(with_unique_names(found), key=lambda file: (file.name, str(file.path)))


def refuse_link(file: SourceFile, allowed: list[str]) -> SourceFile:
    """A file that links lead to from a folder, though it lies in none that was named, is not what the user meant."""
    refused = (
        file.expected and file.problem not in (LINK, *MISSING) and not lies_in(os.path.realpath(file.path), allowed)
    )
    return replace(file, size=0, problem=LEADS_OUT) if refused else file


def identity(file: SourceFile) -> str:
    """The same for one file under two names. Links that are not followed are told one by one."""
    return str(file.path) if file.problem == LEADS_OUT else os.path.realpath(file.path)


def lies_in(target: str, places: list[str]) -> bool:
    """Whether a real path is one of some files and folders, or below one."""
    return any(target == place or target.startswith(place.rstrip(os.sep) + os.sep) for place in places)


def find(path: str, max_mb: int) -> Found:
    """The files below one path: all of a folder, or those that a pattern matches."""
    path = meant_path(path)
    place = Path(path).expanduser()
    if place.is_dir():
        files = [look_at(Path(file), place, max_mb, problem) for file, problem in sorted(walk(place))]
        return Found(place, files or [look_at(place, place, max_mb, EMPTY)], whole=True)
    if place.exists() or not glob.has_magic(path):
        return Found(place.parent, [replace(look_at(place, place.parent, max_mb), expected=True)], alone=True)
    root = fixed_part(place)
    files: list[SourceFile] = []
    for match in sorted(glob.glob(str(place), recursive=True)):  # noqa: PTH207
        if Path(match).is_dir():
            continue
        files.append(look_at(Path(match), root, max_mb))
    return Found(root, files or [SourceFile(place, readable_name(path), problem=MISSING[1])])


def read_elsewhere(file: SourceFile, folders: list[str]) -> bool:
    """Whether what was found is a link to a folder that is read anyway."""
    link = file.path
    return file.problem != EMPTY and link.is_symlink() and link.is_dir() and lies_in(os.path.realpath(link), folders)


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
    """A file that was found, or a folder with a problem, with what can be said of it without opening it."""
    name = readable_name(path.relative_to(root).as_posix() if path != root else path.name)
    if problem:
        return SourceFile(path, name, problem=problem)
    suffix = path.suffix.lower()
    try:
        facts = path.stat()
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return SourceFile(path, name, problem=MISSING[0])
        return SourceFile(path, name, problem=CLOSED.format(error.strerror))
    if not path.is_file():
        problem = stored("not a regular file")
    elif ending(path) not in READERS.declared():
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
    expected = ending(path) in READERS.declared() or (suffix in INSTEAD and suffix not in ILLUSTRATIONS)
    return SourceFile(path, name, facts.st_size, problem, expected)


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
        files.append(replace(file, name=unique))
    return files


def name_of_paths(paths: list[str]) -> str:
    """What documents are called by where they lie: the folder, or a single file without its ending.

    Of files and patterns in one folder that folder; of several places the first, and how many more there are.
    """
    places = [Path(meant_path(path)).expanduser() for path in paths]
    if len(places) == 1 and not places[0].is_dir() and not is_pattern(places[0]):
        return name_from(readable_name(places[0].stem))
    homes = list(dict.fromkeys(map(home_of, places)))
    first, more = name_from(readable_name(homes[0].name)), len(homes) - 1
    return f"{first}-and-{more}-more" if first and more else first


def home_of(place: Path) -> Path:
    """The folder that a path means or lies in; of a pattern, the one before the first wildcard."""
    if place.is_dir():
        return place
    return fixed_part(place) if is_pattern(place) else place.parent


def is_pattern(place: Path) -> bool:
    return glob.has_magic(str(place)) and not place.exists()


def hash_content(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(files: list[SourceFile]) -> str:
    """Changes when a name, a problem or a byte changes, or the package that brings a reader.

    Of a file with a problem only its size is looked at.
    """
    digest = hashlib.sha256()
    for file in files:
        try:
            content = f"{file.size} {file.problem} {file.expected}" if file.problem else hash_content(file.path)
        except OSError as error:
            content = f"unreadable: {error.strerror}"
        edition = READERS.edition(ending(file.path))
        digest.update(f"{file.name}\0{content}{' ' if edition else ''}{edition}\n".encode())
    return digest.hexdigest()
