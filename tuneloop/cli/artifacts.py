"""One artifact or run: ``show``, ``lineage``, ``tag``, ``diff``, ``cancel``. Lists are in ``lists``."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tuneloop.address import Address, composed
from tuneloop.cli.display import number
from tuneloop.cli.options import as_json_option, command, print_json
from tuneloop.cli.show import describe, describe_run
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.evaluate.scorers import label_of
from tuneloop.kinds import KINDS
from tuneloop.language import _, agreeing, joined, shown
from tuneloop.nearest import meant
from tuneloop.records import plain_rows
from tuneloop.store import Artifact, Store
from tuneloop.store import as_json as plain
from tuneloop.telling import cut


def as_object(artifact: Artifact) -> dict[str, Any]:
    return {
        "address": str(artifact.address), "kind": artifact.address.kind, "tags": list(artifact.tags),
        "versions": list(artifact.versions), "created": artifact.created, "bytes": artifact.bytes,
        "summary": artifact.summary,
    }  # fmt: skip


def run_as_object(row: Any) -> dict[str, Any]:
    """A run as ``--json`` prints it."""
    apart = ("organisation", "project", "user")
    return {name: value for name, value in plain([row])[0].items() if name not in apart}


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


def show_run(store: Store, run: str, as_json: bool) -> None:
    row = store.runs.get(run)
    body = run_as_object(row)
    body["curves"] = store.runs.metrics(row.id)
    if as_json:
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
    labels = {str(a): name for a, name in store.artifacts.labels(map(Address.parse, chain)).items()}
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
    name = composed(name).removeprefix(f"{address.kind}:")
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
    return _(label_of(key))


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
    return joined(map(plainly, value)) or "–" if isinstance(value, list) else number(value)


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
