"""Names of artifacts. A name leads to one artifact and can be moved; its history says where it led before.

``dataset:d@1`` is what ``dataset:d`` led to first, ``dataset:d@2`` what it led to next. A number is given once, also
where the artifact is removed. A name with a stage of release, ``dataset:d@prod``, has a history of its own.

Whoever asked last has a name: of two runs that are to give their output one name, the one that was asked for earlier
does not take it from the other, however late it ends. Its output stands in the history all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuneloop.address import LIKE_A_HASH, LONGEST_NAME, NAME, Address
from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.store.clock import time_of
from tuneloop.store.database import artifacts, tag_history, tags, wanted_names
from tuneloop.store.scope import DEFAULT, Scope

NUMBERED = re.compile(r"(.+)@([0-9]+)")  # a place in the history of a name
MOMENT = 1e-6  # seconds: what tells two wishes apart; a float of today's time has a few steps in it


@dataclass(frozen=True)
class Place:
    """A place in the history of a name: ``dataset:d@1`` and the address it stands for."""

    name: str
    address: str


@dataclass(frozen=True)
class Move:
    """A name that led to something else before. ``--json`` prints it.

    ``taken`` is False where the name still leads to ``before``, because that was asked for later.
    """

    name: str  # dataset:d
    before: Place
    after: Place
    taken: bool = True

    def told(self, language: str | None = None) -> str:
        """One line for people."""
        if self.taken:
            text = _("{name} now leads to {after}…; before: {old} = {before}…", language)
        else:
            text = _("{name} still leads to {before}…, which was asked for later; this is {new} = {after}…", language)
        before, after = (place.address.partition(":")[2][:12] for place in (self.before, self.after))
        return text.format(name=self.name, before=before, after=after, old=self.before.name, new=self.after.name)


@dataclass(frozen=True)
class Version:
    """One entry of a name's history."""

    kind: str
    name: str
    number: int
    address: Address
    time: float  # seconds since 1970
    run: str  # whose output it is; "" where somebody gave the name by hand, or to work that was done before
    now: bool  # the name leads here
    removed: bool  # the artifact is gone

    @property
    def place(self) -> str:
        """``dataset:d@1``"""
        return f"{self.kind}:{self.name}@{self.number}"


def check_name(name: str) -> None:
    """Raise where ``name`` cannot be a tag."""
    shown = name if len(name) <= 40 else name[:40] + "…"
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        hint = _("Use at most 200 letters, digits, '-', '_' and '.', and at most one @.")
        raise TuneloopError(_("{name!r} cannot be a name").format(name=shown), hint=hint)
    if LIKE_A_HASH.fullmatch(name):
        hint = _("It reads like the digits of an address. Put another letter before it, such as n-{name}.")
        raise TuneloopError(_("{name!r} cannot be a name").format(name=shown), hint=hint.format(name=shown))
    if NUMBERED.fullmatch(name):
        hint = _("A number after @ counts what a name has led to. Begin with a letter there, as in @v2.")
        raise TuneloopError(_("{name!r} cannot be a name").format(name=shown), hint=hint)


def addressed(connection: sa.Connection, scope: Scope, kind: str, digits: str) -> Sequence[str]:
    """The hashes of artifacts that begin with these digits: of 8 or more, and of an address in full."""
    if len(digits) < 8 or not set(digits) <= set("0123456789abcdef"):
        return []
    query = sa.select(artifacts.c.hash).where(scope.mine(artifacts), artifacts.c.kind == kind)
    query = query.where(artifacts.c.hash.between(digits, digits.ljust(64, "f")))
    return connection.scalars(query).all()


def check_free(connection: sa.Connection, scope: Scope, kind: str, name: str) -> None:
    """Raise where ``name`` cannot be a tag of this kind: a date is one, as long as no address here begins so."""
    check_name(name)
    if begun := addressed(connection, scope, kind, name):
        message = _("{name!r} cannot be a name: the address {address} begins so")
        hint = _("Choose another name, such as {name}.").format(name=f"n-{name}")
        raise TuneloopError(message.format(name=name, address=Address(kind, begun[0]).short), hint=hint)


def point(
    connection: sa.Connection, name: str, address: Address, *, asked: float | None = None, run: str = "",
    scope: Scope = DEFAULT,
) -> Move | None:  # fmt: skip
    """Let a name lead to an artifact, and enter it in the name's history; the move, where it led elsewhere before.

    ``asked``: when that was asked for, in seconds since 1970; by default now, and then nothing stands against it.
    """
    here = (scope.mine(tags), tags.c.kind == address.kind, tags.c.name == name)
    now = connection.execute(sa.select(tags).where(*here)).first()
    when = next_wish(connection, name) if asked is None else asked
    if now and now.hash == address.hash:
        connection.execute(tags.update().where(*here).values(updated=max(when, now.updated)))
        return None
    taken = now is None or asked is None or asked >= now.updated
    number = next_number(connection, scope, address.kind, name)
    connection.execute(
        tag_history.insert().values(
            kind=address.kind, name=name, version=number, hash=address.hash, time=time_of(connection), run=run,
            before=now.version if now else None, taken=taken, **scope.as_mine,
        )
    )  # fmt: skip
    if taken:
        connection.execute(tags.delete().where(*here))
        row = {"kind": address.kind, "name": name, "hash": address.hash, "updated": when, "version": number}
        connection.execute(tags.insert().values(row | scope.as_mine))
    return move_of(address.kind, name, now.version, now.hash, number, address.hash, taken) if now else None


def move_of(kind: str, name: str, old: int, old_hash: str, new: int, new_hash: str, taken: bool) -> Move:
    def place(number: int, digest: str) -> Place:
        return Place(f"{kind}:{name}@{number}", f"{kind}:{digest}")

    return Move(f"{kind}:{name}", place(old, old_hash), place(new, new_hash), taken)


def next_number(connection: sa.Connection, scope: Scope, kind: str, name: str) -> int:
    """The number of a name's next place. One that a name of version 0.1 has taken, ``d@2``, is passed over."""
    here = (scope.mine(tag_history), tag_history.c.kind == kind, tag_history.c.name == name)
    last = connection.scalar(sa.select(sa.func.max(tag_history.c.version)).where(*here))
    like = sa.select(tags.c.name).where(
        scope.mine(tags), tags.c.kind == kind, tags.c.name.startswith(f"{name}@", autoescape=True)
    )
    taken = [int(found[2]) for text in connection.scalars(like) if (found := NUMBERED.fullmatch(text))]
    return max([last or 0, *taken]) + 1


def point_wanted(connection: sa.Connection, run: str, address: Address, scope: Scope = DEFAULT) -> None:
    """Point the names at an artifact that its run was asked to give it."""
    for row in connection.execute(sa.select(wanted_names).where(wanted_names.c.run == run)).all():
        point(connection, row.name, address, asked=row.asked, run=run, scope=scope)
    connection.execute(wanted_names.delete().where(wanted_names.c.run == run))


def want(connection: sa.Connection, run: str, name: str) -> None:
    """Have the output of a run get a name when it is done, as asked for now."""
    here, asked = (wanted_names.c.run == run, wanted_names.c.name == name), next_wish(connection, name)
    if not connection.execute(wanted_names.update().where(*here).values(asked=asked)).rowcount:
        connection.execute(wanted_names.insert().values(run=run, name=name, asked=asked))


def next_wish(connection: sa.Connection, name: str) -> float:
    """When a name is asked for that is asked for now: by the database's clock, and after all who asked before, also
    in the same millisecond, or where that clock was put back."""
    wished = sa.select(sa.func.max(wanted_names.c.asked)).where(wanted_names.c.name == name)
    given = sa.select(sa.func.max(tags.c.updated)).where(tags.c.name == name)
    last = max(connection.scalar(wished) or 0.0, connection.scalar(given) or 0.0)
    return max(time_of(connection), last + MOMENT)


def moves(connection: sa.Connection, runs: Iterable[str]) -> dict[tuple[str, str], Move]:
    """The names that the outputs of runs took from other artifacts, by run and name."""
    old = tag_history.alias("old")
    same = [getattr(old.c, name) == tag_history.c[name] for name in ("project", "kind", "name")]
    query = sa.select(tag_history, old.c.hash.label("old_hash"))
    query = query.join(old, sa.and_(*same, old.c.version == tag_history.c.before))
    rows = connection.execute(query.where(tag_history.c.run.in_(set(runs))).order_by(tag_history.c.version))
    return {(r.run, r.name): move_of(r.kind, r.name, r.before, r.old_hash, r.version, r.hash, r.taken) for r in rows}


def history(connection: sa.Connection, scope: Scope, kind: str | None = None, name: str | None = None) -> list[Version]:
    """Where names have led, newest first: all names, or those of one kind, or one."""
    query = sa.select(tag_history).where(scope.mine(tag_history)).order_by(
        tag_history.c.time.desc(), tag_history.c.kind, tag_history.c.name, tag_history.c.version.desc()
    )  # fmt: skip
    if kind:
        query = query.where(tag_history.c.kind == kind)
    if name:
        query = query.where(tag_history.c.name == name)
    return versions(connection, scope, connection.execute(query).all())


def versions(connection: sa.Connection, scope: Scope, rows: Sequence[sa.Row[Any]]) -> list[Version]:
    """Rows of the history with what became of them: whether the name leads there, and whether it is gone."""
    hashes, called = {row.hash for row in rows}, {row.name for row in rows}
    there = sa.select(artifacts.c.kind, artifacts.c.hash).where(scope.mine(artifacts), artifacts.c.hash.in_(hashes))
    leads = sa.select(tags.c.kind, tags.c.name, tags.c.version).where(scope.mine(tags), tags.c.name.in_(called))
    kept = {tuple(row) for row in connection.execute(there)}
    now = {tuple(row) for row in connection.execute(leads)}
    return [
        Version(
            r.kind, r.name, r.version, Address(r.kind, r.hash), r.time, r.run,
            now=(r.kind, r.name, r.version) in now, removed=(r.kind, r.hash) not in kept,
        )
        for r in rows
    ]  # fmt: skip


def numbered(connection: sa.Connection, scope: Scope, kind: str, name: str) -> Version | None:
    """The place in a history that ``d@2`` means; ``None`` where ``name`` means none."""
    matched = NUMBERED.fullmatch(name)
    if not matched:
        return None
    return next((v for v in history(connection, scope, kind, matched[1]) if v.number == int(matched[2])), None)
