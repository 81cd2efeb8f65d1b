"""Artifacts, names, ancestry: ``ls``, ``show``, ``lineage``, ``tag``, ``diff``, ``rm``, ``gc``, ``cancel``."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tuneloop.address import Address
from tuneloop.cli.display import facts, number, span
from tuneloop.cli.options import as_json_option, command, print_json, print_table
from tuneloop.cli.show import describe, describe_run, when
from tuneloop.errors import NotFound, NoWorkspace, TuneloopError
from tuneloop.evaluate.figures import METRICS
from tuneloop.kinds import KINDS
from tuneloop.language import _, agreeing, joined, shown
from tuneloop.nearest import meant
from tuneloop.records import plain_rows
from tuneloop.store import Artifact, Store, Version, as_json
from tuneloop.store.artifacts import used_by
from tuneloop.store.leftovers import DAY, Leftovers, size_of
from tuneloop.telling import cut, size
from tuneloop.typed import as_typed

NOTHING_COLLECTED = {
    "removed": [], "bytes": 0, "scratch": 0, "scratch_bytes": 0, "kept": [], "kept_bytes": 0, "scratch_kept": 0,
    "scratch_kept_bytes": 0,
}  # fmt: skip


def as_object(artifact: Artifact) -> dict[str, Any]:
    return {
        "address": str(artifact.address), "kind": artifact.address.kind, "tags": list(artifact.tags),
        "versions": list(artifact.versions), "created": artifact.created, "bytes": artifact.bytes,
        "summary": artifact.summary,
    }  # fmt: skip


@command()
@click.argument("kind", required=False, metavar="[KIND|runs]")
@click.option("--all", "everything", is_flag=True, help="Also artifacts without a name that are older than a day.")
@click.option("--history", is_flag=True, help="What each name has led to, and leads to now.")
@as_json_option
def ls(kind: str | None, everything: bool, history: bool, as_json: bool) -> None:
    """List artifacts, or runs."""
    if kind == "runs":
        return list_runs(as_json)
    if kind and kind not in KINDS:
        known = joined(KINDS.names())
        raise TuneloopError(
            _("there is no kind {kind!r}").format(kind=kind),
            hint=meant(kind, [*KINDS.names(), "runs"]) or _("Kinds: {kinds}, runs.").format(kinds=known),
        )
    store = readable()
    if history:
        return list_history(store.artifacts.history(kind) if store else [], as_json)
    there = store.artifacts.find(kind) if store else []
    if as_json:
        return print_json({"artifacts": [as_object(a) for a in there]})
    if not there:
        if store:
            click.echo(as_typed(_("Nothing yet. Begin with: tuneloop parse FOLDER")))
        return None
    today = time.time() - DAY
    found = [a for a in there if a.tags or everything or a.created > today]
    rows = [[names_of(a), a.address.hash[:12], size(a.bytes), when(a.created), facts(a.summary)[:70]] for a in found]
    print_table(rows, [_("name"), _("hash"), _("size"), _("made"), _("contents")])
    if more := len(there) - len(found):
        click.echo(_("{count} more that no name leads to: tuneloop ls --all").format(count=more))
    return None


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


def list_history(versions: list[Version], as_json: bool) -> None:
    if as_json:
        keep = ("time", "run", "now", "removed")
        found = [{"name": v.place, "address": str(v.address), **{k: getattr(v, k) for k in keep}} for v in versions]
        return print_json({"history": found})
    now, removed = _("now"), _("removed")
    rows = [
        [v.place, v.address.hash[:12], when(v.time), removed if v.removed else now if v.now else "", v.run]
        for v in versions
    ]
    print_table(rows, [_("name"), _("hash"), _("since"), "", _("run")])
    return None


def list_runs(as_json_: bool) -> None:
    store = readable()
    runs = store.runs.recent(limit=100) if store else []
    if as_json_:
        return print_json({"runs": as_json(runs)})
    rows = [
        [
            r.id,
            r.stage,
            _(r.state),
            when(r.created),
            span(r.seconds),
            (r.output or (r.error or {}).get("message", ""))[:60],
        ]
        for r in runs
    ]
    print_table(rows, [_("run"), _("stage"), _("state"), _("queued at"), _("took"), _("output")])
    return None


@command()
@click.argument("ref", metavar="REF")
@click.option("--rejected", is_flag=True, help="Show what was lost or set aside, with the reasons.")
@click.option("--rows", "table", metavar="TABLE", help="Show rows of a table of the artifact.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many rows.")
@as_json_option
def show(ref: str, rejected: bool, table: str | None, limit: int, as_json: bool) -> None:
    """Show one artifact or one run."""
    if ref in KINDS:
        hint = _("Write KIND:NAME. See: tuneloop ls {kind}").format(kind=ref)
        raise NotFound(_("{text!r} is a kind of artifact, and not one of them").format(text=ref), hint=hint)
    store = Store.existing(though_full=True)
    if ":" not in ref:
        return show_run(store, ref, as_json)
    address = store.artifacts.resolve(ref)
    folder = store.artifacts.path(address)
    if rejected or table:
        return show_rows(folder, "rejected" if rejected else str(table), limit, as_json)
    artifact = store.artifacts.get(address)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    body = {**as_object(artifact), "folder": str(folder), "files": manifest["files"]}
    body["runs"] = [r.id for r in store.artifacts.producers(address)]
    if as_json:
        return print_json(body)
    for line in describe(store, artifact, folder, manifest["files"]):
        click.echo(line.rstrip())
    return None


EMPTY = (None, "", [], {})


def whole(value: Any) -> Any:
    """A value without what is empty in it."""
    if isinstance(value, dict):
        return {key: part for key, inner in value.items() if (part := whole(inner)) not in EMPTY}
    return [whole(part) for part in value] if isinstance(value, list) else value


def show_rows(folder: Path, table: str, limit: int, as_json: bool) -> None:
    import pyarrow.parquet as pq

    path = folder / f"{table}.parquet"
    if not path.is_file():
        there = sorted(p.stem for p in folder.glob("*.parquet"))
        if table == "rejected":
            return print_json({"rows": []}) if as_json else click.echo(_("Nothing was lost or set aside."))
        raise NotFound(
            _("there is no table {table!r}").format(table=table),
            hint=meant(table, there) or _("Tables: {tables}.").format(tables=joined(there) or "-"),
        )
    with pq.ParquetFile(path) as file:
        rows = next(iter(file.iter_batches(limit)), None)
    found = list(plain_rows(rows)) if rows is not None else []
    if as_json:
        return print_json({"rows": found})
    for row in found:
        if table == "rejected":
            row = {_(key): cell(key, value) for key, value in row.items()}
        told = {key: whole(value) for key, value in row.items()}
        cells = (f"{click.style(k, dim=True)} {cut(str(v), 300)}" for k, v in told.items() if v not in EMPTY)
        click.echo("  ".join(cells))
    return None


def cell(key: str, value: Any) -> Any:
    """A value of a row that was set aside, in the user's language."""
    if key == "reason":
        return shown(str(value))
    return (_("yes") if value else _("no")) if isinstance(value, bool) else value


def show_run(store: Store, run: str, as_json_: bool) -> None:
    row = store.runs.get(run)
    body = as_json([row])[0]
    body["curves"] = store.runs.metrics(row.id)
    if as_json_:
        return print_json(body)
    for line in describe_run(row, body["curves"]):
        click.echo(line.rstrip())
    return None


@command()
@click.argument("ref", metavar="REF")
@click.option("--down", is_flag=True, help="What was made from it, instead of what it was made from.")
@click.option(
    "--documents/--no-documents", default=True, help="Also list the source documents at the end of the chain."
)
@as_json_option
def lineage(ref: str, down: bool, documents: bool, as_json: bool) -> None:
    """Show what an artifact was made from, or what was made from it."""
    store = Store.existing(though_full=True)
    address = store.artifacts.resolve(ref)
    edges = store.artifacts.ancestry(address, down=down)
    chain = dict.fromkeys([str(address), *(far for _near, _stage, far in edges)])
    gone = [text for text in chain if not store.artifacts.exists(Address.parse(text))]
    names = source_documents(store, chain) if documents and not down else {}
    if as_json:
        found = [
            {"artifact": near, "stage": stage, "input" if not down else "output": far} for near, stage, far in edges
        ]
        return print_json({"artifact": str(address), "edges": found, "documents": names, "removed": gone})
    labels = {str(a.address): a.tags[0] for a in store.artifacts.find() if a.tags}
    print_tree(str(address), edges, labels, down, gone)
    for of, listed in names.items():
        click.echo(
            "\n"
            + agreeing(len(listed), _("{count} document in {ref}:"), _("{count} documents in {ref}:")).format(
                count=len(listed), ref=of[:22]
            )
        )
        for name in listed:
            click.echo(f"  {name}")
    return None


def source_documents(store: Store, addresses: Iterable[str]) -> dict[str, list[str]]:
    """The names of the documents inside each ``documents`` artifact among the addresses."""
    import pyarrow.parquet as pq

    found = {}
    for text in addresses:
        address = Address.parse(text)
        if address.kind == "documents" and store.artifacts.exists(address):
            table = pq.read_table(store.artifacts.path(address) / "documents.parquet", columns=["name"])
            found[text] = table["name"].to_pylist()
    return found


def print_tree(
    root: str, edges: list[tuple[str, str, str]], labels: dict[str, str], down: bool, gone: list[str]
) -> None:
    children: dict[str, list[tuple[str, str]]] = {}
    for near, stage, far in edges:
        children.setdefault(near, []).append((stage, far))
    shown: set[str] = set()

    def line(address: str, prefix: str, stage: str, last: bool | None) -> None:
        kind, _colon, digest = address.partition(":")
        label = f"{kind}:{labels[address]} ({digest[:12]})" if address in labels else f"{kind}:{digest[:12]}"
        label += " " + _("(removed)") if address in gone else ""
        arrow = ("→ " if down else "← ") + stage + "  " if stage else ""
        joint = "" if last is None else "└─ " if last else "├─ "
        again = " …" if address in shown and children.get(address) else ""
        click.echo(f"{prefix}{joint}{click.style(arrow, dim=True)}{label}{again}")
        if address in shown:
            return
        shown.add(address)
        below = children.get(address, [])
        for at, (name, far) in enumerate(below):
            line(far, prefix + ("" if last is None else "   " if last else "│  "), name, at == len(below) - 1)

    line(root, "", "", None)


@command()
@click.argument("ref", metavar="REF")
@click.argument("name", metavar="NAME")
@as_json_option
def tag(ref: str, name: str, as_json: bool) -> None:
    """Give an artifact a name; a name in use is moved."""
    store = Store.existing(though_full=True)
    address = store.artifacts.resolve(ref)
    name = name.removeprefix(f"{address.kind}:")
    moved = store.artifacts.tag(name, address)
    if as_json:
        body = {"name": f"{address.kind}:{name}", "address": str(address), "moved": asdict(moved) if moved else None}
        return print_json(body)
    click.echo(moved.told() if moved else f"{address.kind}:{name} → {address.short}")
    return None


@command()
@click.argument("first", metavar="REF")
@click.argument("second", metavar="REF")
@as_json_option
def diff(first: str, second: str, as_json: bool) -> None:
    """Compare two artifacts of one kind: how they were made, and which rows differ."""
    store = Store.existing(though_full=True)
    one, two = store.artifacts.resolve(first), store.artifacts.resolve(second)
    if one.kind != two.kind:
        raise TuneloopError(_("{one} and {two} are of different kinds").format(one=one.short, two=two.short))
    body = {
        "same": one == two,
        "summary": changes(store.artifacts.get(one).summary, store.artifacts.get(two).summary),
        "params": changes(*(p[-1].params if (p := store.artifacts.producers(a)) else {} for a in (one, two))),
        "rows": row_changes(store.artifacts.path(one), store.artifacts.path(two)),
    }
    if as_json:
        return print_json(body)
    if one == two:
        click.echo(_("The two are the same artifact."))
        return None
    for part, title in (("params", _("parameter")), ("summary", _("summary"))):
        rows = leaves(body[part]) if part == "summary" else ((k, *map(plainly, v)) for k, v in body[part].items())
        for key, old, new in rows:
            click.echo(f"{title} {key}: {old} → {new}")
    for table, counts in body["rows"].items():
        click.echo(f"{table}: " + _("{removed} removed, {added} added, {kept} kept").format(**counts))
    return None


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, list[Any]]:
    return {k: [old.get(k), new.get(k)] for k in sorted({*old, *new}) if old.get(k) != new.get(k)}


def leaves(changed: dict[str, list[Any]], within: str = "") -> Iterator[tuple[str, str, str]]:
    """Each value that differs, with the names that lead to it; of what one of the two does not have, that it has not.

    Lists of rows are told by how many there are.
    """
    for key, (old, new) in changed.items():
        path = f"{within} › {named(key)}" if within else named(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from leaves(changes(old, new), path)
        else:
            yield path, plainly(old), plainly(new)


def named(key: str) -> str:
    """A name in a summary, as people read it."""
    return _(METRICS.get(key) or key.replace("_", " "))


def plainly(value: Any) -> str:
    """A value on one line."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, str):
        return cut(shown(value), 80) or "–"
    if isinstance(value, dict):
        return agreeing(len(value), _("{count} entry"), _("{count} entries")).format(count=len(value))
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return agreeing(len(value), _("{count} entry"), _("{count} entries")).format(count=len(value))
    return ", ".join(map(plainly, value)) or "–" if isinstance(value, list) else number(value)


def row_changes(one: Path, two: Path) -> dict[str, dict[str, int]]:
    """Per table that has ids: rows only in the first, only in the second, in both."""
    import pyarrow.parquet as pq

    found = {}
    for path in sorted(one.glob("*.parquet")):
        other = two / path.name
        if other.is_file() and "id" in pq.read_schema(path).names:
            old, new = (set(pq.read_table(p, columns=["id"])["id"].to_pylist()) for p in (path, other))
            found[path.stem] = {"removed": len(old - new), "added": len(new - old), "kept": len(old & new)}
    return found


@command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@click.option("--force", is_flag=True, help="Even where other artifacts were made from it.")
@as_json_option
def rm(refs: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Remove artifacts."""
    store = Store.existing(though_full=True)
    addresses = list(dict.fromkeys(store.artifacts.resolve(ref) for ref in refs))
    for address in addresses:  # all of them, before the first is gone
        store.artifacts.check_unread(address)
    if not force:
        check_unused(store, addresses)
    named = [f"{a.kind}:{name}" for a in addresses for name in store.artifacts.get(a).tags]
    with store.making_room():
        for address in addresses:
            store.artifacts.remove(address, force=True)
    before = {name: earlier(store, name) for name in named}
    if as_json:
        return print_json({"removed": [str(a) for a in addresses], "names": before})
    click.echo(_("Removed: {names}").format(names=joined(a.short for a in addresses)))
    for name, places in before.items():
        known = _("before: {places}").format(places=joined(places)) if places else ""
        click.echo("  " + "; ".join(filter(None, (_("{name} leads nowhere now").format(name=name), known))))
    return None


def earlier(store: Store, name: str) -> list[str]:
    """The places in the history of a name whose artifacts are still there, newest first."""
    kind, _colon, bare = name.partition(":")
    return [version.place for version in store.artifacts.history(kind, bare) if not version.removed]


def check_unused(store: Store, addresses: list[Address]) -> None:
    """Raise where something that stays was made from one of the artifacts."""
    for address in addresses:
        made = {Address.parse(run.output) for run in store.artifacts.users(address) if run.output}
        stays = sorted(a for a in made.difference(addresses) if store.artifacts.exists(a))
        if stays:
            raise TuneloopError(
                used_by(address, len(stays), stays[0].short),
                hint=_("Remove those first, or use --force."),
            )


@command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--history", is_flag=True, help="Also what names led to before, and lead to no longer.")
@click.option("--scratch", is_flag=True, help="Also what runs that failed or were stopped would continue from.")
@as_json_option
def gc(dry_run: bool, history: bool, scratch: bool, as_json: bool) -> None:
    """Remove artifacts that no name leads or led to, and the leftovers of runs that ended over a day ago."""
    store = readable()
    if store is None:
        return print_json(NOTHING_COLLECTED | {"dry_run": dry_run}) if as_json else None
    left = Leftovers(store.folder / "scratch", store.engine)
    goes, stays = [*left.old, *(left.young if scratch else [])], [] if scratch else left.young
    # First, since it takes no room to record.
    cleared, freed = (len(goes), size_of(goes)) if dry_run else left.clear(young=scratch)
    victims = store.artifacts.unreachable(history=history)
    past = [] if history else sorted(set(store.artifacts.unreachable(history=True)).difference(victims))
    sizes = {a: store.artifacts.get(a).bytes for a in [*victims, *past]}
    if not dry_run:
        with store.making_room():
            victims = [address for address in victims if store.artifacts.collect(address, history=history)]
    body = {
        "removed": [str(a) for a in victims], "bytes": sum(sizes[a] for a in victims), "scratch": cleared,
        "scratch_bytes": freed, "dry_run": dry_run, "kept": [str(a) for a in past],
        "kept_bytes": sum(sizes[a] for a in past), "scratch_kept": len(stays), "scratch_kept_bytes": size_of(stays),
    }  # fmt: skip
    return print_json(body) if as_json else tell_collected(body)


def tell_collected(body: dict[str, Any]) -> None:
    """What ``gc`` says to people: what went, and what it keeps unless asked."""
    artifacts, leftovers = len(body["removed"]), body["scratch"]
    gone = agreeing(artifacts, _("{count} artifact, {size}"), _("{count} artifacts, {size}"))
    rest = agreeing(leftovers, _("{scratch} leftover, {cleared}"), _("{scratch} leftovers, {cleared}"))
    text = _("{artifacts}, and {leftovers}").format(artifacts=gone, leftovers=rest)
    sizes = {"size": size(body["bytes"]), "cleared": size(body["scratch_bytes"])}
    click.echo(text.format(count=artifacts, scratch=leftovers, **sizes))
    if waiting := body["scratch_kept"]:
        text = agreeing(
            waiting,
            _("Kept, because the same command would continue there: {count} leftover, {size}. To remove it: {command}"),
            _("Kept, because the same commands would continue there: {count} leftovers, {size}."
              " To remove them: {command}"),
        )  # fmt: skip
        held = as_typed("tuneloop gc --scratch")
        click.echo(text.format(count=waiting, size=size(body["scratch_kept_bytes"]), command=held))
    if past := len(body["kept"]):
        text = agreeing(
            past,
            _("Kept, because a name led to it before: {count} artifact, {size}. To remove it: {command}"),
            _("Kept, because names led to them before: {count} artifacts, {size}. To remove them: {command}"),
        )
        click.echo(text.format(count=past, size=size(body["kept_bytes"]), command=as_typed("tuneloop gc --history")))


@command()
@click.argument("run")
@as_json_option
def cancel(run: str, as_json: bool) -> None:
    """Cancel a queued or running run."""
    from tuneloop.runner import Workspace

    workspace = Workspace(create=False, though_full=True)
    run = workspace.store.runs.get(run).id
    with workspace.store.making_room():
        state = workspace.cancel(run)
    print_json({"run": run, "state": state}) if as_json else click.echo(_(state))
