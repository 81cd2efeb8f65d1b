"""The only opener of the database and of the artifact folder."""

import contextlib
import copy
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from tuneloop import permissions
from tuneloop.errors import NoWorkspace, TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _
from tuneloop.nearest import nearest
from tuneloop.settings import FOLDER, Settings, find_workspace, load_settings
from tuneloop.store.artifacts import Artifact, Artifacts, hash_file
from tuneloop.store.audit import Audit
from tuneloop.store.curves import Curves
from tuneloop.store.keys import Keys
from tuneloop.store.listing import Listing
from tuneloop.store.names import Move, Version
from tuneloop.store.room import Reserve, is_full
from tuneloop.store.runs import Runs
from tuneloop.store.scope import DEFAULT, Scope
from tuneloop.store.traffic import Traffic, as_json
from tuneloop.text.encodings import plain_text

__all__ = [
    "Artifact", "Artifacts", "Audit", "Keys", "Listing", "Move", "Runs", "Scope", "Store", "Traffic", "Version",
    "as_json", "hash_file",
]  # fmt: skip

PARTS = ("artifacts", "runs", "traffic", "keys", "audit", "lists")  # of a store, each of one project


def in_utf8(root: Path) -> Path:
    """``root``. Raises where its name is not UTF-8: Parquet cannot open a file there."""
    if (name := plain_text(str(root))) != str(root):
        hint = _("Rename that folder, or have the workspace elsewhere: tuneloop -w DIR")
        raise TuneloopError(_("the name of the workspace's folder is not in UTF-8"), where=name, hint=hint)
    return root


class Store:
    """One workspace: ``root/.tuneloop`` with ``artifacts/``, ``scratch/``, ``cache/``, ``logs/`` and the database.

    It is its owner's alone: folders are 0700 and files 0600.
    """

    def __init__(
        self, root: Path | str | None = None, settings: Settings | None = None, *, though_full: bool = False
    ) -> None:
        """``though_full``: for a command that reads, or makes room, and ends soon; see ``open_engine``."""
        self.though_full, self.scope = though_full, DEFAULT
        self.root = in_utf8(Path(root).resolve() if root is not None else find_workspace())
        self.settings = settings or load_settings(self.root)
        self.folder = self.root / FOLDER
        try:
            if permissions.is_open(self.folder):  # made by 0.1, or by somebody's chmod: once, all that is in it
                permissions.close_tree(self.folder)
            for name in ("artifacts", "scratch", "cache", "logs"):
                permissions.make_folder(self.folder / name)
        except OSError as error:
            raise TuneloopError(
                _("cannot make the workspace: {reason}").format(reason=told(error)), where=str(self.folder)
            ) from None
        if not (self.folder / ".gitignore").exists():
            with permissions.open_append(self.folder / ".gitignore") as file:
                file.write(b"*\n")
        self.reserve = Reserve(self.folder / "reserve")
        if not though_full and not self.settings.database:
            self.reserve.keep()

    @contextlib.contextmanager
    def making_room(self) -> Iterator[None]:
        """While the block runs, a full disk lacks the reserve, so that what is removed can be recorded."""
        if not is_full(self.folder):
            yield
            return
        self.reserve.give_up()
        try:
            yield
        finally:
            self.reserve.take_back()

    @classmethod
    def existing(cls, root: Path | str | None = None, *, though_full: bool = False) -> "Store":
        """The workspace that is there: what only reads makes none. Raises ``NoWorkspace``."""
        place = Path(root).resolve() if root is not None else find_workspace()
        settings = load_settings(place)  # what is wrong in tuneloop.toml is said first
        if not (place / FOLDER).is_dir():
            ways = _("Go to its folder, or name it: tuneloop -w DIR. The first stage makes one: tuneloop parse FOLDER")
            hint = beside(place) if root is not None or os.environ.get("TUNELOOP_WORKSPACE") else ""
            hint = hint or ways
            raise NoWorkspace(_("there is no workspace here"), where=str(place), hint=hint)
        return cls(place, settings, though_full=though_full)

    @cached_property
    def engine(self):
        from tuneloop.store.database import DiskFull, open_engine

        try:
            engine = open_engine(self.settings.database, self.folder, though_full=self.though_full)
        except DiskFull:
            if not self.though_full:
                raise
            self.reserve.give_up()  # a disk may be out of places for files: the log of the database takes one
            engine = open_engine(self.settings.database, self.folder, though_full=True)
        if self.settings.database:  # SQLite lies in the workspace and can be no other's
            from tuneloop.store.owner import claim

            claim(engine, self.folder)
        return engine

    def within(self, scope: Scope) -> "Store":
        """The same workspace as seen from a project: it holds nothing but what is that project's."""
        if scope == self.scope:
            return self
        seen = copy.copy(self)
        seen.__dict__ |= {"engine": self.engine, "curves": self.curves}  # what is of no project is shared
        for name in PARTS:
            seen.__dict__.pop(name, None)
        seen.scope = scope
        return seen

    @cached_property
    def artifacts(self) -> Artifacts:
        return Artifacts(self.folder / "artifacts", self.engine, self.scope)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.engine, self.folder, self.scope)

    @cached_property
    def traffic(self) -> Traffic:
        return Traffic(self.engine, self.scope)

    @cached_property
    def keys(self) -> Keys:
        return Keys(self.engine, self.scope)

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.engine, self.scope)

    @cached_property
    def curves(self) -> Curves:
        return Curves(self.engine)

    @cached_property
    def lists(self) -> Listing:
        return Listing(self.engine, self.scope)

    @property
    def cache(self) -> Path:
        """Downloads and teacher answers: safe to delete, slow to refill."""
        return self.folder / "cache"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def scratch(self, key: str) -> Path:
        """The folder of unfinished work with this key; it outlives a kill and is removed when the work is done.

        Each attempt has a folder of its own in it: see ``workbench``.
        """
        folder = self.folder / "scratch" / key[:32]
        permissions.make_folder(folder)
        return folder


def beside(place: Path) -> str:
    """The workspace in the same folder that was most likely meant, as a hint; "" where there is none."""
    with contextlib.suppress(OSError):
        near = nearest(place.name, (folder.name for folder in place.parent.iterdir() if (folder / FOLDER).is_dir()))
        return _("Did you mean {name!r}?").format(name=str(place.with_name(near))) if near else ""
    return ""
