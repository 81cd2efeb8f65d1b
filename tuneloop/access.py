"""API keys: who may call, and in which role.

A key is ``tl-PUBLIC-SECRET``. The database has the public part and the SHA-256 of the secret; the secret has 160 random
bits, so a plain hash cannot be searched. A key that was checked is remembered for a few seconds, so that a busy
gateway does not ask the database each time, and a revoked key is refused that soon.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuneloop.errors import Denied, NotFound, TuneloopError
from tuneloop.language import _, joined
from tuneloop.nearest import meant
from tuneloop.store.scope import DEFAULT, Scope

if TYPE_CHECKING:
    from tuneloop.store import Keys, Store

ROLES = ("caller", "member", "admin")  # each may do what those before it may
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # 32 letters: five bits each, nothing to escape, nothing to confuse
KEY = re.compile(r"tl-([a-z2-7]{12})-([a-z2-7]{32})")
SECONDS = 5.0  # for which a checked key is believed
NOTE_EVERY = 30.0  # seconds between two notes of when keys were used
REMEMBERED = 10_000  # keys, so that strangers cannot fill the memory


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: the only time that ``key`` is seen."""

    id: str
    key: str


@dataclass(frozen=True)
class Caller:
    """Who sent a request: the public id of the key, its name, its role, and the project whose rows it sees."""

    id: str
    name: str
    role: str
    scope: Scope = DEFAULT

    def may(self, role: str) -> bool:
        """Whether this caller has ``role``, or one above it."""
        return ROLES.index(self.role) >= ROLES.index(role)


def create_key(store: "Store", name: str, *, role: str = "caller", actor: str = "local") -> NewKey:
    """Make a key. Only its hash is kept. Raises ``TuneloopError`` for a role that is not, or no name."""
    if role not in ROLES:
        hint = meant(role, ROLES) or _("Roles: {}.").format(joined(ROLES))
        raise TuneloopError(_("there is no role {!r}").format(role), hint=hint)
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise TuneloopError(_("a key needs a name of 1 to 200 printable characters"))
    public, secret = random_text(12), random_text(32)
    store.keys.add(
        {"id": public, "secret_sha256": hashed(secret), "name": name.strip(), "role": role, "created": time.time()}
    )
    store.audit.note(actor, "key.create", f"{public} {role}")
    return NewKey(public, f"tl-{public}-{secret}")


def revoke_key(store: "Store", public: str, *, actor: str = "local") -> None:
    """Refuse a key from now on. Raises ``NotFound``; a key revoked before keeps its time."""
    row = store.keys.find(public)
    if row is None or row.project != store.scope.project:
        raise NotFound(_("there is no key {!r}").format(public), hint=_("See: tuneloop key ls"))
    if row.revoked is None:
        store.keys.update(public, revoked=time.time())
        store.audit.note(actor, "key.revoke", public)


def list_keys(store: "Store") -> list[dict[str, Any]]:
    """Every key without its hash, oldest first."""
    names = ("id", "name", "role", "created", "used", "revoked")
    return [{name: getattr(row, name) for name in names} for row in store.keys.all()]


def random_text(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _n in range(length))


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass
class Known:
    """What the database said of a public id, and until when it is believed."""

    caller: Caller | None  # None: no such key, or revoked
    secret_sha256: str
    until: float


class Verifier:
    """Checks keys for a server, asking the database about each at most every few seconds. Threads may share it."""

    def __init__(self, keys: "Keys", *, seconds: float = SECONDS) -> None:
        self.keys, self.seconds = keys, seconds
        self._known: dict[str, Known] = {}
        self._used: dict[str, float] = {}
        self._noted = -NOTE_EVERY
        self._lock = threading.Lock()

    def remembered(self, key: str) -> bool:
        """Whether ``verify`` will answer without asking the database."""
        matched = KEY.fullmatch(key)
        known = self._known.get(matched[1]) if matched else None
        return matched is None or (known is not None and known.until > time.monotonic())

    def verify(self, key: str) -> Caller:
        """Who has this key. Raises ``Denied``, which does not tell an unknown key from a wrong or revoked one."""
        matched = KEY.fullmatch(key)
        if matched:
            public, secret = matched.groups()
            known = self._ask(public)
            right = hmac.compare_digest(hashed(secret), known.secret_sha256)  # always done: equal time for all
            if right and known.caller is not None:
                self._used[public] = time.time()
                return known.caller
        raise Denied(_("the API key is missing or not valid"), hint=_("Send it as: Authorization: Bearer KEY"))

    def _ask(self, public: str) -> Known:
        now = time.monotonic()
        known = self._known.get(public)
        if known is not None and known.until > now:
            return known
        row = self.keys.find(public)
        if row is None or row.revoked is not None:
            known = Known(None, hashed(""), now + self.seconds)
        else:
            caller = Caller(row.id, row.name, row.role, Scope.of(row))
            known = Known(caller, row.secret_sha256, now + self.seconds)
        with self._lock:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[public] = known
        return known

    def due(self) -> bool:
        """Whether it is time to write when keys were used."""
        return bool(self._used) and time.monotonic() - self._noted >= NOTE_EVERY

    def write_used(self) -> None:
        """Write when each key was last used: called now and then, off the hot path."""
        self._noted = time.monotonic()
        with self._lock:
            used, self._used = self._used, {}
        for public, when in used.items():
            try:
                self.keys.note_used(public, when)
            except Exception:  # the database has no room, or is away: the next time tells of all of them
                self._used = used | self._used
                raise
