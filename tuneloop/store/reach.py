"""Which artifacts anybody could still want: one question of the whole lineage, whatever the number of names."""

import sqlalchemy as sa

from tuneloop.address import Address
from tuneloop.store.database import LIVE, artifacts, run_inputs, runs, tag_history, tags
from tuneloop.store.scope import Scope


def unreachable(connection: sa.Connection, scope: Scope, *, history: bool) -> list[Address]:
    """The artifacts, newest first, that no name leads or led to, from which no such one was made, and which no live
    run needs. ``history``: that a name led to an artifact once does not keep it.
    """
    kept, made_from = wanted(connection, scope, history=history), lineage(connection, scope)
    ahead = list(kept)
    while ahead:
        more = made_from.get(ahead.pop(), set()) - kept
        kept |= more
        ahead.extend(more)
    query = sa.select(artifacts.c.kind, artifacts.c.hash).where(scope.mine(artifacts))
    query = query.order_by(artifacts.c.created.desc(), artifacts.c.kind, artifacts.c.hash)
    return [Address(*row) for row in connection.execute(query) if f"{row.kind}:{row.hash}" not in kept]


def wanted(connection: sa.Connection, scope: Scope, *, history: bool) -> set[str]:
    """The addresses that are wanted for themselves: of what has a name, or had one, and of what a live run needs."""
    led = (tags,) if history else (tags, tag_history)
    named = [sa.select(table.c.kind + ":" + table.c.hash).where(scope.mine(table)) for table in led]
    read = sa.select(run_inputs.c.ref).join(runs, run_inputs.c.run == runs.c.id)
    read = read.where(scope.mine(runs), runs.c.state.in_(LIVE))
    return set(connection.scalars(sa.union(*named, read, made_of(read, scope))))


def made_of(refs: sa.Select[tuple[str]], scope: Scope) -> sa.Select[tuple[str]]:
    """What was made of any of some artifacts. A live run needs that too, where it had it made on the way: the form of
    a model that an engine loads has no name."""
    made = sa.select(runs.c.output).join(run_inputs, run_inputs.c.run == runs.c.id)
    return made.where(scope.mine(runs), runs.c.state == "done", runs.c.output.is_not(None), run_inputs.c.ref.in_(refs))


def is_needed(connection: sa.Connection, scope: Scope, address: Address) -> bool:
    """Whether a live run reads an artifact, or something that it was made of."""
    made = sa.select(run_inputs.c.ref).join(runs, run_inputs.c.run == runs.c.id)
    made = made.where(scope.mine(runs), runs.c.state == "done", runs.c.output == str(address))
    read = sa.select(runs.c.id).join(run_inputs, run_inputs.c.run == runs.c.id)
    read = read.where(scope.mine(runs), runs.c.state.in_(LIVE))
    read = read.where(sa.or_(run_inputs.c.ref == str(address), run_inputs.c.ref.in_(made)))
    return connection.scalar(read.limit(1)) is not None


def lineage(connection: sa.Connection, scope: Scope) -> dict[str, set[str]]:
    """For each address that a run made, the addresses that it was made from."""
    edges = sa.select(runs.c.output, run_inputs.c.ref).join(run_inputs, run_inputs.c.run == runs.c.id).distinct()
    found: dict[str, set[str]] = {}
    for output, ref in connection.execute(edges.where(scope.mine(runs), runs.c.state == "done")).tuples():
        found.setdefault(output, set()).add(ref)
    return found
