"""What goes: ``untag``, ``rm``, ``gc``."""

from collections.abc import Mapping
from typing import Any

import click

from tuneloop.address import Address, composed
from tuneloop.cli.lists import readable
from tuneloop.cli.options import as_json_option, command, print_json
from tuneloop.errors import TuneloopError
from tuneloop.language import _, agreeing, joined, strung
from tuneloop.store import Artifact, Store
from tuneloop.store.artifacts import used_by
from tuneloop.store.leftovers import Leftovers, size_of
from tuneloop.telling import size
from tuneloop.typed import as_typed

NOTHING_COLLECTED = {
    "removed": [], "bytes": 0, "scratch": 0, "scratch_bytes": 0, "kept": [], "kept_bytes": 0, "scratch_kept": 0,
    "scratch_kept_bytes": 0,
}  # fmt: skip


@command()
@click.argument("name", metavar="KIND:NAME")
@as_json_option
def untag(name: str, as_json: bool) -> None:
    """Take a name away. The artifact stays, and so does the history of the name."""
    store = Store.existing(though_full=True)
    address = store.artifacts.resolve(name)
    with store.making_room():
        address = store.artifacts.untag(address.kind, name.partition(":")[2])
        store.audit.note("local", "untag", composed(name))
    places = earlier(store, composed(name))
    if as_json:
        return print_json({"name": name, "address": str(address), "before": places})
    return tell_nowhere({name: places})


@command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@click.option("--force", is_flag=True, help="Even where other artifacts were made from it.")
@as_json_option
def rm(refs: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Remove artifacts. One that other names lead to only loses the name that is given."""
    store = Store.existing(though_full=True)
    found = {ref: store.artifacts.get(store.artifacts.resolve(ref)) for ref in refs}
    lost, kept = shared(found)
    gone = [a for a in {a.address: a for a in found.values()}.values() if a.address not in kept]
    for artifact in gone:  # all of them, before the first is gone
        store.artifacts.check_unread(artifact.address)
    if not force:
        check_unused(store, [artifact.address for artifact in gone])
    with store.making_room():
        for name, address in lost.items():
            store.artifacts.untag(address.kind, name.partition(":")[2], address)
        for artifact in gone:
            store.artifacts.remove(artifact.address, force=True)
    before = {name: earlier(store, name) for name in [*lost, *(name for artifact in gone for name in called(artifact))]}
    stays = {str(artifact.address): names for artifact, names in kept.values()}
    if as_json:
        return print_json({"removed": [str(a.address) for a in gone], "names": before, "kept": stays})
    if gone:
        click.echo(_("Removed: {names}").format(names=joined(a.address.short for a in gone)))
    for artifact, names in kept.values():
        text = agreeing(
            len(names), _("{artifact} stays: {names} leads to it"), _("{artifact} stays: {names} lead to it")
        )
        click.echo(text.format(artifact=artifact.address.short, names=joined(names)))
    return tell_nowhere(before)


def called(artifact: Artifact) -> list[str]:
    """The names of an artifact, with its kind."""
    return [f"{artifact.address.kind}:{name}" for name in artifact.tags]


def shared(
    found: Mapping[str, Artifact],
) -> tuple[dict[str, Address], dict[Address, tuple[Artifact, list[str]]]]:
    """The names that go alone, because others lead to the same artifact; and such artifacts, with those others.

    Who writes an address means the artifact with all its names.
    """
    given: dict[Address, set[str]] = {}
    meant_whole: set[Address] = set()
    for ref, artifact in found.items():
        name = composed(ref).partition(":")[2]
        if name not in artifact.tags and artifact.address.hash.startswith(name):
            meant_whole.add(artifact.address)
        name = name if name in artifact.tags else name.rpartition("@")[0]  # or a place in the history of one
        given.setdefault(artifact.address, set()).add(f"{artifact.address.kind}:{name}")
    lost, kept = {}, {}
    for address, artifact in {a.address: a for a in found.values()}.items():
        others = [name for name in called(artifact) if name not in given[address]]
        if others and address not in meant_whole:
            kept[address] = (artifact, others)
            lost |= {name: address for name in called(artifact) if name in given[address]}
    return lost, kept


def tell_nowhere(names: Mapping[str, list[str]]) -> None:
    """That names lead nowhere now, and which places in their histories are still there."""
    for name, places in names.items():
        known = _("before: {places}").format(places=joined(places)) if places else ""
        click.echo("  " + strung(filter(None, (_("{name} leads nowhere now").format(name=name), known))))


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
    sizes = store.artifacts.sizes([*victims, *past])
    if not dry_run:
        with store.making_room():
            victims = [address for address in victims if store.artifacts.collect(address, history=history)]
    body = {
        "removed": [str(a) for a in victims], "bytes": sum(sizes.get(a, 0) for a in victims), "scratch": cleared,
        "scratch_bytes": freed, "dry_run": dry_run, "kept": [str(a) for a in past],
        "kept_bytes": sum(sizes.get(a, 0) for a in past), "scratch_kept": len(stays),
        "scratch_kept_bytes": size_of(stays),
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
