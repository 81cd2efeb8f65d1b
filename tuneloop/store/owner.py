"""Whose a PostgreSQL database is. It knows the artifacts of one workspace; a second one would remove them."""

from __future__ import annotations

import fcntl
import secrets
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop import permissions
from tuneloop.errors import Conflict
from tuneloop.language import _, aside
from tuneloop.store.artifacts import MANIFEST
from tuneloop.store.database import alone, artifacts, owner

FILE = "workspace-id"  # beside the artifacts; the database has the same


def claim(engine: Engine, folder: Path) -> None:
    """Make the database that of the workspace in ``folder``. Raises ``Conflict`` where it is another's.

    A database without an owner is taken, unless it has artifacts and none of them is here. A workspace that has lost
    its id, or never had one, is known by its artifacts: the database is its own where all of them are here. A copy has
    the id of its original, and is refused for as long as that is there: it may also be a move.
    """
    permissions.touch(folder / FILE)
    with (folder / FILE).open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two commands at once in a new workspace are of one id
        file.seek(0)
        mine = file.read().strip()
        with alone(engine) as connection:
            found = connection.execute(sa.select(owner)).first()
            if found and found.id == mine:
                if is_copy(folder, found):
                    raise refusal(str(folder.parent), found.folder)
                return
            known = connection.execute(sa.select(artifacts.c.kind, artifacts.c.hash))
            here = [(folder / "artifacts" / kind / digest / MANIFEST).is_file() for kind, digest in known]
            fits = (bool(here) and all(here) and not mine) if found else (not here or any(here))
            if not fits:
                raise refusal(str(folder.parent), found.folder if found else "")
            mine = found.id if found else mine or secrets.token_hex(16)
            file.truncate(0)
            file.write(mine + "\n")
            file.flush()
            if not found:
                connection.execute(owner.insert().values(id=mine, folder=str(folder.parent)))


def is_copy(folder: Path, owner: Any) -> bool:
    """Whether the workspace that took the database is still where it was, with its id, and is not this one."""
    original = Path(owner.folder, folder.name)
    try:
        return (original / FILE).read_text(encoding="utf-8").strip() == owner.id and not original.samefile(folder)
    except OSError:
        return False


def refusal(here: str, other: str) -> Conflict:
    message = _("the PostgreSQL database belongs to another workspace")
    return Conflict(
        message + aside(other) if other and other != here else message,
        where=here,
        hint=_("Give each workspace a database of its own, or a schema of one: {url}").format(
            url="postgresql://HOST/NAME?options=-csearch_path%3DSCHEMA"
        ),
    )
