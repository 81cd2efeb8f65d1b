"""Artifacts on disk: content-addressed folders. A manifest is written last, so its existence means it is whole."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.address import Address, composed
from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.kinds import KINDS, NOWHERE, facts_of
from tuneloop.language import _, agreeing, joined
from tuneloop.nearest import meant, nearest
from tuneloop.notebook import card
from tuneloop.store import names
from tuneloop.store.database import LIVE, alone, artifacts, run_inputs, runs, tag_history, tags
from tuneloop.store.names import Move, Version, addressed, check_free, point, point_wanted
from tuneloop.store.reach import is_needed, unreachable
from tuneloop.store.room import is_full
from tuneloop.store.scope import DEFAULT, Scope
from tuneloop.store.workbench import check_held
from tuneloop.telling import size

MANIFEST = "manifest.json"
MANY = 500  # artifacts: of more than these, facts are asked for without naming each
REMOVED = "removed-"  # in the scratch folder, before what is about to go


@dataclass(frozen=True)
class Artifact:
    """One artifact as the database knows it."""

    address: Address
    created: float  # seconds since 1970
    bytes: int
    summary: dict[str, Any]
    tags: tuple[str, ...] = ()  # the names that lead to it
    versions: tuple[str, ...] = ()  # its places in the histories of names: ``d@1``

    def _repr_html_(self) -> str:
        names = joined(f"{self.address.kind}:{name}" for name in self.tags)
        facts = facts_of(self.address.kind, self.summary, NOWHERE)
        return card(self.address.short, [(_("names"), names), *facts, (_("size"), size(self.bytes))])


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST)


class Artifacts:
    """Save, find, name, remove, in one project. All paths below one folder; all facts in one database.

    The same content in two projects lies in one folder, which goes with the last of them.
    """

    def __init__(self, folder: Path, engine: Engine, scope: Scope = DEFAULT) -> None:
        self.folder, self.engine, self.scope = folder, engine, scope

    def save(self, kind: str, folder: Path, summary: dict[str, Any]) -> Address:
        """Move a finished folder in as an artifact and return its address. The same content is kept once."""
        address = self.seal(kind, folder, summary)
        self.adopt(address, folder)
        return address

    @staticmethod
    def seal(kind: str, folder: Path, summary: dict[str, Any]) -> Address:
        """Write the manifest, last and durably: from now on the folder is whole, and this is its address.

        Raises ``NotFound`` for a kind that there is not: nothing could ever name the artifact.
        """
        KINDS.find(kind)
        files = {
            path.relative_to(folder).as_posix(): {"sha256": hash_file(path), "bytes": path.stat().st_size}
            for path in files_below(folder)
        }
        content = json.dumps([kind, {name: facts["sha256"] for name, facts in files.items()}], sort_keys=True)
        address = Address(kind, hashlib.sha256(content.encode()).hexdigest())
        sync(folder)  # before the manifest says that they are whole
        manifest = {"address": str(address), "created": time.time(), "files": files, "summary": json_safe(summary)}
        write_durably(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True))
        return address

    def adopt(self, address: Address, folder: Path, run: str = "", attempt: int = 0) -> None:
        """Move a sealed folder to its place, where it is not there yet, enter it in the database, and name it.

        All at once: who removes what has no name must not find it half-way. ``attempt``: at the run; raises ``RunLost``
        where there is a newer one.
        """
        target = self.folder / address.kind / address.hash
        with alone(self.engine) as connection:
            if attempt:
                check_held(connection, run, attempt)
            if not self.exists(address):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(target, ignore_errors=True)  # a manifest-less rest of a copy that was cut short
                folder.replace(target)
                for changed in (target.parent, self.folder):
                    sync_one(changed)
            manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
            size = sum(facts["bytes"] for facts in manifest["files"].values())
            if not self._row(connection, address):
                connection.execute(
                    artifacts.insert().values(
                        kind=address.kind, hash=address.hash, created=manifest["created"], bytes=size,
                        summary=manifest["summary"], **self.scope.as_mine,
                    )
                )  # fmt: skip
            point_wanted(connection, run, address, self.scope)
        (folder / MANIFEST).unlink(missing_ok=True)  # the same content was here before; half of it is not whole
        shutil.rmtree(folder, ignore_errors=True)

    def _row(self, connection: sa.Connection, address: Address) -> sa.Row[Any] | None:
        return connection.execute(sa.select(artifacts).where(*self._here(artifacts, address))).first()

    def _here(self, table: sa.Table, address: Address) -> tuple[sa.ColumnElement[bool], ...]:
        return (self.scope.mine(table), table.c.kind == address.kind, table.c.hash == address.hash)

    def path(self, address: Address) -> Path:
        """The folder of an artifact. Raises ``NotFound`` where it is gone or not whole."""
        folder = self.folder / address.kind / address.hash
        if not (folder / MANIFEST).is_file():
            raise NotFound(_("the artifact {artifact} is not in this workspace").format(artifact=address.short))
        return folder

    def exists(self, address: Address) -> bool:
        return (self.folder / address.kind / address.hash / MANIFEST).is_file()

    def get(self, address: Address) -> Artifact:
        """One artifact with its tags. Raises ``NotFound``."""
        with self.engine.connect() as connection:
            row = self._row(connection, address)
            if row is None:
                raise NotFound(_("the artifact {artifact} is not in this workspace").format(artifact=address.short))
            return self.named(connection, self.scope, [row])[0]

    def summaries(self, addresses: Iterable[Address]) -> dict[Address, dict[str, Any]]:
        """The summaries of those artifacts that are there, in one query."""
        return {address: row.summary for address, row in self._facts(addresses, artifacts.c.summary).items()}

    def sizes(self, addresses: Iterable[Address]) -> dict[Address, int]:
        """The bytes of those artifacts that are there, in one query."""
        return {address: row.bytes for address, row in self._facts(addresses, artifacts.c.bytes).items()}

    def _facts(self, addresses: Iterable[Address], column: sa.Column[Any]) -> dict[Address, Any]:
        wanted = set(addresses)
        query = sa.select(artifacts.c.kind, artifacts.c.hash, column).where(self.scope.mine(artifacts))
        if len(wanted) <= MANY:
            query = query.where(artifacts.c.hash.in_({address.hash for address in wanted}))
        with self.engine.connect() as connection:
            rows = connection.execute(query).all() if wanted else ()
        return {address: row for row in rows if (address := Address(row.kind, row.hash)) in wanted}

    def find(self, kind: str | None = None) -> list[Artifact]:
        """All artifacts of a kind (or of every kind), newest first."""
        query = sa.select(artifacts).where(self.scope.mine(artifacts)).order_by(artifacts.c.created.desc())
        if kind:
            query = query.where(artifacts.c.kind == kind)
        with self.engine.connect() as connection:
            return self.named(connection, self.scope, connection.execute(query).all())

    def names(self, kind: str) -> list[str]:
        """The names of a kind that lead somewhere."""
        query = sa.select(tags.c.name).where(self.scope.mine(tags), tags.c.kind == kind).order_by(tags.c.name)
        with self.engine.connect() as connection:
            return list(connection.scalars(query))

    def labels(self, addresses: Iterable[Address]) -> dict[Address, str]:
        """For each of some artifacts that names lead to, the first of them."""
        wanted = set(addresses)
        query = sa.select(tags).where(self.scope.mine(tags)).order_by(tags.c.name.desc())
        if len(wanted) <= MANY:
            query = query.where(tags.c.hash.in_({address.hash for address in wanted}))
        with self.engine.connect() as connection:
            return {Address(row.kind, row.hash): row.name for row in connection.execute(query)}

    @staticmethod
    def named(connection: sa.Connection, scope: Scope, rows: Sequence[sa.Row[Any]]) -> list[Artifact]:
        """Rows of the table with the names that lead and led to them."""
        hashes = {row.hash for row in rows}

        def of(table: sa.Table, *order: sa.Column[Any]) -> dict[tuple[str, str], list[str]]:
            found: dict[tuple[str, str], list[str]] = {}
            query = sa.select(*(table.c[name] for name in ("kind", "hash", "name", "version"))).order_by(*order)
            query = query.where(scope.mine(table), *([table.c.hash.in_(hashes)] if len(hashes) <= MANY else []))
            for row in connection.execute(query) if hashes else ():
                name = row.name if table is tags else f"{row.name}@{row.version}"
                found.setdefault((row.kind, row.hash), []).append(name)
            return found

        now, past = of(tags, tags.c.name), of(tag_history, tag_history.c.name, tag_history.c.version)
        return [
            Artifact(Address(*key), r.created, r.bytes, r.summary, tuple(now.get(key, ())), tuple(past.get(key, ())))
            for r, key in ((row, (row.kind, row.hash)) for row in rows)
        ]

    def resolve(self, text: str, kind: str | None = None) -> Address:
        """The address behind a tag, a place in a tag's history, an address, or a unique prefix (8 digits) of a hash.

        ``text`` may leave its kind out where ``kind`` says it. Raises ``NotFound`` with what is there instead.
        """
        prefix, colon, name = composed(text).partition(":")
        if not colon:
            prefix, name = kind or "", prefix
        if prefix not in KINDS:
            raise NotFound(
                _("{text!r} names no artifact").format(text=text),
                hint=(colon and meant(prefix, KINDS.names()))
                or _("Write KIND:NAME; kinds are {kinds}.").format(kinds=joined(KINDS.names())),
            )
        if kind and prefix != kind:
            message = _("{text!r} is of kind {found}, and this needs one of kind {kind}")
            raise TuneloopError(message.format(text=text, found=prefix, kind=kind))
        with self.engine.connect() as connection:
            here = (self.scope.mine(tags), tags.c.kind == prefix)
            tagged = connection.scalar(sa.select(tags.c.hash).where(*here, tags.c.name == name))
            found = addressed(connection, self.scope, prefix, name)
            if tagged and not set(found) - {tagged}:
                return Address(prefix, tagged)
            if tagged and len(name) < 64:  # of an older workspace: today such a name is refused
                raise two_meanings(text, Address(prefix, tagged), Address(prefix, found[0]))
            if version := names.numbered(connection, self.scope, prefix, name):
                return still_there(version)
            if found:
                if len(found) == 1:
                    return Address(prefix, found[0])
                message = _("{text!r} is the beginning of {count} addresses").format(text=text, count=len(found))
                raise NotFound(message, hint=_("Write more digits."))
            if earlier := names.history(connection, self.scope, prefix, name.rpartition("@")[0] or name):
                raise lost_place(f"{prefix}:{name}", earlier)
            there = connection.scalars(
                sa.select(tags.c.name).where(*here).order_by(tags.c.updated.desc()).limit(1000)
            ).all()
        near = meant(f"{prefix}:{name}", [f"{prefix}:{n}" for n in there if nearest(name, [n])])
        listed = joined(f"{prefix}:{n}" for n in there[:5])
        known = _("Known: {names}.").format(names=listed) if there else _("There is no {kind} yet.").format(kind=prefix)
        hint = near or _("{known} See: tuneloop ls {kind}").format(known=known, kind=prefix)
        raise NotFound(_("there is no {name}").format(name=f"{prefix}:{name}"), hint=hint)

    def check_free(self, kind: str, name: str) -> None:
        """Raise where an artifact of this kind cannot be given the name."""
        with self.engine.connect() as connection:
            check_free(connection, self.scope, kind, name)

    def tag(self, name: str, address: Address) -> Move | None:
        """Let a name lead to an artifact; the move, where it led elsewhere before.

        Raises for a malformed name, and for one that reads as an address.
        """
        name = composed(name)
        with alone(self.engine) as connection:
            check_free(connection, self.scope, address.kind, name)
            self.path(address)
            return point(connection, name, address, scope=self.scope)

    def history(self, kind: str | None = None, name: str | None = None) -> list[Version]:
        """Where names have led, newest first: all names, or those of one kind, or one."""
        with self.engine.connect() as connection:
            return names.history(connection, self.scope, kind, name)

    def moves(self, runs: Iterable[str]) -> dict[tuple[str, str], Move]:
        """The names that the outputs of runs took from other artifacts, by run and name."""
        with self.engine.connect() as connection:
            return names.moves(connection, runs)

    def untag(self, kind: str, name: str, address: Address | None = None) -> Address:
        """Let a name lead nowhere; what it led to. The artifact and the name's history stay.

        Raises ``NotFound`` for a name that there is not, and ``Conflict`` where it no longer leads to ``address``.
        """
        here = (self.scope.mine(tags), tags.c.kind == kind, tags.c.name == composed(name))
        with alone(self.engine) as connection:
            led = connection.scalar(sa.select(tags.c.hash).where(*here))
            if led is None:
                hint = _("See: tuneloop ls {kind}").format(kind=kind)
                raise NotFound(_("there is no {name}").format(name=f"{kind}:{name}"), hint=hint)
            if address and address.hash != led:
                message = _("{name} leads to {artifact} meanwhile").format(
                    name=f"{kind}:{name}", artifact=Address(kind, led).short
                )
                raise Conflict(message, hint=_("Look again before you take the name away."))
            connection.execute(tags.delete().where(*here))
        return Address(kind, led)

    def producers(self, address: Address) -> list[sa.Row[Any]]:
        """The finished runs that made an artifact, oldest first."""
        with self.engine.connect() as connection:
            query = sa.select(runs).where(runs.c.output == str(address), runs.c.state == "done", self.scope.mine(runs))
            return list(connection.execute(query.order_by(runs.c.created)))

    def users(self, address: Address) -> list[sa.Row[Any]]:
        """The runs that took an artifact as input, oldest first."""
        with self.engine.connect() as connection:
            query = sa.select(runs).join(run_inputs, run_inputs.c.run == runs.c.id).where(self.scope.mine(runs))
            return list(connection.execute(query.where(run_inputs.c.ref == str(address)).order_by(runs.c.created)))

    def ancestry(self, address: Address, *, down: bool = False) -> list[tuple[str, str, str]]:
        """Edges ``(artifact, stage, other artifact)`` reachable upwards (to inputs) or downwards (to outputs).

        One recursive query; each edge once, nearest first.
        """
        near, far = (run_inputs.c.ref, runs.c.output) if down else (runs.c.output, run_inputs.c.ref)
        edges = (
            sa.select(near.label("near"), runs.c.stage.label("stage"), far.label("far"))
            .join(run_inputs, run_inputs.c.run == runs.c.id)
            .where(runs.c.state == "done", self.scope.mine(runs))
            .subquery("edges")
        )
        walk = (
            sa.select(edges.c.near, edges.c.stage, edges.c.far, sa.literal(0).label("depth"))
            .where(edges.c.near == str(address))
            .cte("walk", recursive=True)
        )
        walk = walk.union(
            sa.select(edges.c.near, edges.c.stage, edges.c.far, walk.c.depth + 1)
            .join(walk, edges.c.near == walk.c.far)
            .where(walk.c.depth < 64)
        )
        query = sa.select(walk.c.near, walk.c.stage, walk.c.far, sa.func.min(walk.c.depth).label("d"))
        query = query.group_by(walk.c.near, walk.c.stage, walk.c.far).order_by("d", walk.c.stage, walk.c.far)
        with self.engine.connect() as connection:
            return [(row.near, row.stage, row.far) for row in connection.execute(query)]

    def remove(self, address: Address, *, force: bool = False) -> None:
        """Delete an artifact. Refused while something was made from it, unless ``force``; always while a run needs it.

        A run needs its inputs from the moment it is queued.
        """
        made = [r for r in self.users(address) if r.output and self.exists(Address.parse(r.output))]
        if made and not force:
            raise TuneloopError(
                used_by(address, len(made), made[0].output[:24]),
                hint=_("Remove those first, or use --force."),
            )
        with self._aside(address) as aside, alone(self.engine) as connection:
            self._check_unread(connection, address)
            self._take_out(connection, address, aside)

    def collect(self, address: Address, *, history: bool = False) -> bool:
        """Delete an artifact that was found ``unreachable``, unless a name or a run has come to it meanwhile.

        ``history``: also where a name led to it once.
        """
        with self._aside(address) as aside, alone(self.engine) as connection:
            led = (tags,) if history else (tags, tag_history)
            for table in led:
                if connection.execute(sa.select(table.c.name).where(*self._here(table, address)).limit(1)).first():
                    return False
            if is_needed(connection, self.scope, address):
                return False
            self._take_out(connection, address, aside)
        return True

    def check_unread(self, address: Address) -> None:
        """Raise ``Conflict`` while a run needs the artifact."""
        with self.engine.connect() as connection:
            self._check_unread(connection, address)

    def _check_unread(self, connection: sa.Connection, address: Address) -> None:
        if run := self._reader(connection, address):
            raise Conflict(
                _("{artifact} is an input of the run {run}, which is {state}").format(
                    artifact=address.short, run=run.id, state=_(run.state)
                ),
                hint=_("Wait for its end, or stop it: tuneloop cancel {run}").format(run=run.id),
            )

    def _reader(self, connection: sa.Connection, address: Address) -> sa.Row[Any] | None:
        """A live run that has the artifact as input."""
        query = sa.select(runs).join(run_inputs, run_inputs.c.run == runs.c.id).where(self.scope.mine(runs))
        return connection.execute(query.where(run_inputs.c.ref == str(address), runs.c.state.in_(LIVE))).first()

    @contextlib.contextmanager
    def _aside(self, address: Address) -> Iterator[Path]:
        """Where the folder of an artifact waits for its end; it is put back where the end could not be recorded."""
        aside = self.folder.parent / "scratch" / f"{REMOVED}{secrets.token_hex(8)}"
        try:
            yield aside
        except BaseException:
            with contextlib.suppress(OSError):  # it was not moved, or the same content has come again
                aside.replace(self.folder / address.kind / address.hash)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def _take_out(self, connection: sa.Connection, address: Address, aside: Path) -> None:
        """Forget an artifact and move its folder aside: whoever makes it again meanwhile finds its place free."""
        for table in (tags, artifacts):
            connection.execute(table.delete().where(*self._here(table, address)))
        same = sa.select(artifacts.c.hash).where(artifacts.c.kind == address.kind, artifacts.c.hash == address.hash)
        if connection.execute(same.limit(1)).first():  # it is another project's as well
            return
        with contextlib.suppress(FileNotFoundError):
            (self.folder / address.kind / address.hash).replace(aside)
        if is_full(self.folder):  # to record it takes some of the room that it makes; done again, it ends the same
            shutil.rmtree(aside, ignore_errors=True)

    def unreachable(self, *, history: bool = False) -> list[Address]:
        """The artifacts that no name leads or led to, from which no such one was made, and which no live run needs.

        ``history``: that a name led to an artifact once does not keep it.
        """
        with self.engine.connect() as connection:
            return unreachable(connection, self.scope, history=history)


def two_meanings(text: str, named: Address, other: Address) -> Conflict:
    """What to say of a name that is the beginning of another artifact's address."""
    return Conflict(
        _("{text!r} is the name of {one} and the beginning of the address of {two}").format(
            text=text, one=named.short, two=other.short
        ),
        hint=_("Write the address of the one that you mean in full: {one} or {two}.").format(one=named, two=other),
    )


def used_by(address: Address, count: int, one: str) -> str:
    """That an artifact is an input of others, among them ``one``."""
    single = _("{artifact} is an input of {one}")
    several = _("{artifact} is an input of {count} artifacts, among them {one}")
    return agreeing(count, single, several).format(artifact=address.short, count=count, one=one)


def still_there(version: Version) -> Address:
    """The address of a place in a history. Raises ``NotFound`` where the artifact was removed."""
    if version.removed:
        message = _("{name} was {artifact}, which is removed")
        hint = _("See: tuneloop ls {kind}").format(kind=f"{version.kind} --history")
        raise NotFound(message.format(name=version.place, artifact=version.address.short), hint=hint)
    return version.address


def lost_place(text: str, earlier: list[Version]) -> NotFound:
    """What to say of a name that leads nowhere any more, or of a place that its history does not have."""
    there = [version.place for version in earlier if not version.removed]
    known = _("Known: {names}.").format(names=joined(there[:5])) if there else _("All that it led to is removed.")
    hint = _("{known} See: tuneloop ls {kind}").format(known=known, kind=f"{earlier[0].kind} --history")
    return NotFound(_("there is no {name}").format(name=text), hint=hint)


def write_durably(path: Path, text: str) -> None:
    """Write and fsync, so that after a power cut the file is either whole or absent."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_one(path.parent)


def sync(folder: Path) -> None:
    """See that a folder with all that is in it is on the disk, and not only in memory."""
    for path, _folders, files in os.walk(folder):
        for name in files:
            sync_one(Path(path, name))
        sync_one(Path(path))


def sync_one(path: Path) -> None:
    """The same for one file, or for the names in one folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems do not sync folders
            raise
    finally:
        os.close(descriptor)


def json_safe(value: Any) -> Any:
    """``value`` as plain JSON types: what the database column and a Parquet reader both take."""
    return json.loads(json.dumps(value, ensure_ascii=False, default=str))
