"""API keys of the gateway."""

import click

from tuneloop.cli.options import Choice, Translated, TranslatedGroup, as_json_option, print_json, print_table
from tuneloop.language import _
from tuneloop.store import Store


@click.group(cls=TranslatedGroup)
def key() -> None:
    """Create, list and revoke API keys."""


@key.command(cls=Translated)
@click.argument("name")
@click.option("--role", type=Choice(["admin", "member", "caller"]), default="caller", show_default=True,
              help="caller: /v1 only; member: also runs stages; admin: also reads the traffic.")  # fmt: skip
@as_json_option
def create(name: str, role: str, as_json: bool) -> None:
    """Create a key and print it once; only its SHA-256 is kept."""
    from tuneloop.access import create_key

    made = create_key(Store(), name, role=role)
    print_json({"id": made.id, "name": name, "role": role, "key": made.key}) if as_json else click.echo(made.key)
    if not as_json:
        click.echo(_("This is shown once. Keep it, and send it as: Authorization: Bearer KEY"), err=True)


@key.command(cls=Translated)
@as_json_option
def ls(as_json: bool) -> None:
    """List the keys (never their secrets)."""
    from tuneloop.cli.lists import readable
    from tuneloop.cli.show import when

    store = readable()
    rows = store.keys.all() if store else []
    if as_json:
        fields = ("id", "name", "role", "created", "used", "revoked")
        return print_json({"keys": [{f: getattr(r, f) for f in fields} for r in rows]})
    print_table(
        [
            [
                r.id,
                r.name,
                r.role,
                when(r.created),
                when(r.used) if r.used else "-",
                when(r.revoked) if r.revoked else "-",
            ]
            for r in rows
        ],
        [_("id"), _("name"), _("role"), _("made"), _("used"), _("revoked")],
    )
    return None


@key.command(cls=Translated)
@click.argument("id")
@as_json_option
def revoke(id: str, as_json: bool) -> None:
    """Revoke a key: from now on it is refused."""
    from tuneloop.access import revoke_key

    store = Store.existing(though_full=True)
    with store.making_room():
        revoke_key(store, id)
    print_json({"id": id, "revoked": True}) if as_json else click.echo(_("Revoked: {id}").format(id=id))
