"""What there is: ``ls``, a part at a time, with what leads on to the next."""

import time
from typing import Any

import click

from tuneloop.cli.artifacts import as_object, run_as_object
from tuneloop.cli.display import facts
from tuneloop.cli.options import Choice, as_json_option, command, print_json, print_table
from tuneloop.cli.show import when
from tuneloop.errors import NoWorkspace, TuneloopError, told_again
from tuneloop.kinds import KINDS
from tuneloop.language import _, joined
from tuneloop.nearest import meant
from tuneloop.store import Artifact, Store
from tuneloop.store.database import STATES
from tuneloop.store.leftovers import DAY
from tuneloop.store.part import Part
from tuneloop.telling import size, span
from tuneloop.typed import as_typed

MOST, RUNS = 1000, 100  # rows that are listed where nothing is said


@command()
@click.argument("kind", required=False, metavar="[KIND|runs]")
@click.option("--all", "everything", is_flag=True, help="Also artifacts without a name that are older than a day.")
@click.option("--history", is_flag=True, help="What each name has led to, and leads to now.")
@click.option("--search", "text", default="", metavar="TEXT", help="Only where a name, an id or an address has it.")
@click.option("--stage", default="", help="Of the runs only those of this stage.")
@click.option("--state", type=Choice(STATES), help="Of the runs only those in this state.")
@click.option("--limit", type=click.IntRange(1, MOST), help="How many; by default 1000, and 100 of the runs.")
@click.option("--cursor", default="", help="Where to go on, as the list before said.")
@as_json_option
def ls(kind: str | None, history: bool, stage: str, state: str | None, as_json: bool, **asked: Any) -> None:
    """List artifacts, or runs."""
    if kind != "runs" and (stage or state):
        raise TuneloopError(_("only runs have a stage and a state"), hint=as_typed(_("Write: tuneloop ls runs")))
    if kind and kind != "runs" and kind not in KINDS:
        known = joined(KINDS.names())
        raise TuneloopError(
            _("there is no kind {kind!r}").format(kind=kind),
            hint=meant(kind, [*KINDS.names(), "runs"]) or _("Kinds: {kinds}, runs.").format(kinds=known),
        )
    store, everything, limit = readable(), asked.pop("everything"), asked.pop("limit")
    if kind == "runs":
        asked |= {"stage": stage, "state": state or "", "limit": limit or RUNS}
        list_runs(store.lists.runs(**asked) if store else Part(), as_json)
    elif history:
        list_history(store.lists.history(kind or "", limit=limit or MOST, **asked) if store else Part(), as_json)
    elif as_json:
        part = store.lists.artifacts(kind=kind or "", limit=limit or MOST, **asked) if store else Part()
        print_json({"artifacts": [as_object(a) for a in part.rows], "next": part.older})
    elif store:
        list_artifacts(store, kind or "", everything=everything, limit=limit or MOST, **asked)


def list_artifacts(store: Store, kind: str, *, everything: bool, text: str, cursor: str, limit: int) -> None:
    """Artifacts for people; where nothing is searched for, those that somebody needs, and how many others there are."""
    today = time.time() - DAY
    wanted = {} if everything or text else {"named": True, "since": today}
    part = store.lists.artifacts(kind=kind, text=text, cursor=cursor, limit=limit, **wanted)
    others = store.lists.nameless(kind, before=today) if wanted and not cursor else 0
    if not (part.rows or others or text or cursor):
        return click.echo(as_typed(_("Nothing yet. Begin with: tuneloop parse FOLDER")))
    rows = [
        [names_of(a), a.address.hash[:12], size(a.bytes), when(a.created), facts(a.summary)[:70]] for a in part.rows
    ]
    print_table(rows, [_("name"), _("hash"), _("size"), _("made"), _("contents")])
    if others:
        click.echo(as_typed(_("{count} more that no name leads to: tuneloop ls --all").format(count=others)))
    return tell_more(part)


def tell_more(part: Part) -> None:
    """Where a list goes on that was not shown to its end."""
    if part.older:
        text = _("There are more. The same command goes on with: {option}")
        click.echo(text.format(option=f"--cursor {part.older}"))


def readable() -> Store | None:
    """The workspace of a command that lists what there is: where none is, nothing is, and that is said beside."""
    try:
        return Store.existing(though_full=True)
    except NoWorkspace as missing:
        click.echo(as_typed(str(missing)), err=True)
        return None


def names_of(artifact: Artifact) -> str:
    """The names that lead to an artifact, or else those that did."""
    return joined(f"{artifact.address.kind}:{name}" for name in artifact.tags or artifact.versions) or "-"


def list_history(part: Part, as_json: bool) -> None:
    if as_json:
        keep = ("time", "run", "now", "removed")
        found = [{"name": v.place, "address": str(v.address), **{k: getattr(v, k) for k in keep}} for v in part.rows]
        return print_json({"history": found, "next": part.older})
    now, removed = _("now"), _("removed")
    rows = [
        [v.place, v.address.hash[:12], when(v.time), removed if v.removed else now if v.now else "", v.run]
        for v in part.rows
    ]
    print_table(rows, [_("name"), _("hash"), _("since"), "", _("run")])
    return tell_more(part)


def list_runs(part: Part, as_json: bool) -> None:
    if as_json:
        return print_json({"runs": [run_as_object(row) for row in part.rows], "next": part.older})
    rows = [
        [r.id, r.stage, _(r.state), when(r.created), span(r.seconds), (r.output or failure(r))[:60]] for r in part.rows
    ]
    print_table(rows, [_("run"), _("stage"), _("state"), _("queued at"), _("took"), _("output")])
    return tell_more(part)


def failure(row: Any) -> str:
    return as_typed(told_again(row.error)) if row.error else ""
