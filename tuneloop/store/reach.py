"""Which artifacts anybody could still want: one question of the whole lineage, whatever the number of names."""

import sqlalchemy as sa

from tuneloop.address import Address
from tuneloop.store.database import LIVE, artifacts, run_inputs, runs, tag_history, tags
from tuneloop.store.scope import Scope


def unreachable(connection: sa.Connection, scope: Scope, *, history: bool) -> list[Address]:
    """The artifacts, newest first, that no name leads or led to, from which no such one was made, and which no live
    run reads. ``history``: that a name led to an artifact once does not keep it.
    """
    address = artifacts.c.kind + ":" + artifacts.c.hash
    query = sa.select(artifacts.c.kind, artifacts.c.hash).where(scope.mine(artifacts))
    query = query.where(address.not_in(sa.select(kept(scope, history=history).c.ref)))
    return [Address(*row) for row in connection.execute(query.order_by(artifacts.c.created.desc(), artifacts.c.hash))]


def kept(scope: Scope, *, history: bool) -> sa.CTE:
    """The addresses that are wanted for themselves, and all that those were made from, in the column ``ref``."""
    led = [tags] if history else [tags, tag_history]
    named = [sa.select((t.c.kind + ":" + t.c.hash).label("ref")).where(scope.mine(t)) for t in led]
    read = sa.select(run_inputs.c.ref).join(runs, run_inputs.c.run == runs.c.id)
    wanted = sa.union(*named, read.where(scope.mine(runs), runs.c.state.in_(LIVE))).subquery("wanted")
    walk = sa.select(wanted.c.ref).cte("kept", recursive=True)
    made = walk.join(runs, runs.c.output == walk.c.ref).join(run_inputs, run_inputs.c.run == runs.c.id)
    back = sa.select(run_inputs.c.ref).select_from(made).where(scope.mine(runs), runs.c.state == "done")
    return walk.union(back)
