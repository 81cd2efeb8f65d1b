"""The only opener of the database and of the artifact folder."""

import contextlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from tuneloop import permissions
from tuneloop.errors import NoWorkspace, TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _
from tuneloop.settings import FOLDER, Settings, find_workspace, load_settings
from tuneloop.store.artifacts import Artifact, Artifacts, hash_file
from tuneloop.store.names import Move, Version
from tuneloop.store.room import Reserve, is_full
from tuneloop.store.runs import Runs
from tuneloop.store.traffic import Traffic, as_json

__all__ = [
    "Artifact", "Artifacts", "Move", "Runs", "Store", "Traffic", "Version", "as_json", "hash_file",
]  # fmt: skip


class Store:
    """One workspace: ``root/.tuneloop`` with ``artifacts/``, ``scratch/``, ``cache/``, ``logs/`` and the database.

    It is its owner's alone: folders are 0700 and files 0600.
    """

    def __init__(
        self, root: Path | str | None = None, settings: Settings | None = None, *, though_full: bool = False
    ) -> None:
        """``though_full``: for a command that reads, or makes room, and ends soon; see ``open_engine``."""
        self.though_full = though_full
        self.root = Path(root).resolve() if root is not None else find_workspace()
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
            hint = _("Go to its folder, or name it: tuneloop -w DIR. The first stage makes one: tuneloop parse FOLDER")
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

    @cached_property
    def artifacts(self) -> Artifacts:
        return Artifacts(self.folder / "artifacts", self.engine)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.engine, self.folder)

    @cached_property
    def traffic(self) -> Traffic:
        return Traffic(self.engine)

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
