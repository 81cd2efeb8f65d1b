"""API keys: stored as hashes, refused when wrong or revoked, remembered for a moment."""

from pathlib import Path

import pytest

from tuneloop.access import Caller, Verifier, create_key, list_keys, revoke_key
from tuneloop.errors import Denied, NotFound, TuneloopError
from tuneloop.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_key_is_known_by_its_hash_alone(store: Store, tmp_path: Path) -> None:
    made = create_key(store, " app ", role="member")
    assert Verifier(store.keys).verify(made.key) == Caller(made.id, "app", "member")
    secret = made.key.rpartition("-")[2]
    stored = b"".join(p.read_bytes() for p in (tmp_path / ".tuneloop").glob("tuneloop.db*"))
    assert made.id.encode() in stored and secret.encode() not in stored
    assert [(k["name"], k["revoked"]) for k in list_keys(store)] == [("app", None)]
    assert create_key(store, "app").key != made.key


def test_wrong_unknown_and_revoked_keys_look_alike(store: Store) -> None:
    made = create_key(store, "app")
    other = create_key(store, "other")
    verifier = Verifier(store.keys, seconds=0)
    crossed = f"tl-{made.id}-{other.key.rpartition('-')[2]}"
    unknown = f"tl-{'a' * 12}-{made.key.rpartition('-')[2]}"
    revoke_key(store, other.id)
    messages = set()
    for key in ("", "sk-x", made.key[:-1], made.key + "a", made.key.upper(), crossed, unknown, other.key):
        with pytest.raises(Denied) as refused:
            verifier.verify(key)
        messages.add(str(refused.value))
    assert len(messages) == 1
    assert verifier.verify(made.key).id == made.id


def test_a_checked_key_is_remembered_for_a_moment_and_no_longer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made, now = create_key(store, "app"), [1000.0]
    monkeypatch.setattr("tuneloop.access.time.monotonic", lambda: now[0])
    verifier, asked = Verifier(store.keys, seconds=5), []
    ask = store.keys.find
    monkeypatch.setattr(store.keys, "find", lambda public: asked.append(public) or ask(public))
    for _n in range(3):
        verifier.verify(made.key)
    assert len(asked) == 1 and verifier.remembered(made.key)
    revoke_key(store, made.id)
    asked.clear()
    assert verifier.verify(made.key)
    now[0] += 5.1
    assert not verifier.remembered(made.key)
    with pytest.raises(Denied):
        verifier.verify(made.key)
    assert len(asked) == 1


def test_use_and_changes_are_written_down(store: Store) -> None:
    made = create_key(store, "app")
    verifier = Verifier(store.keys)
    verifier.verify(made.key)
    assert list_keys(store)[0]["used"] is None
    verifier.write_used()
    assert list_keys(store)[0]["used"] is not None
    revoke_key(store, made.id, actor="boss")
    first = list_keys(store)[0]["revoked"]
    revoke_key(store, made.id)  # again: nothing changes
    assert list_keys(store)[0]["revoked"] == first
    assert [(a.actor, a.action, a.object) for a in store.audit.entries().rows] == [
        ("boss", "key.revoke", made.id), ("local", "key.create", f"{made.id} caller"),
    ]  # fmt: skip


def test_what_cannot_be_made_or_revoked(store: Store) -> None:
    with pytest.raises(TuneloopError, match=r"no role 'root'. Roles: caller, member, admin"):
        create_key(store, "app", role="root")
    for name in ("", "  ", "a\nb", "x" * 201):
        with pytest.raises(TuneloopError, match="needs a name"):
            create_key(store, name)
    with pytest.raises(NotFound, match="no key 'none'"):
        revoke_key(store, "none")


def test_roles_are_ordered() -> None:
    assert Caller("x", "x", "admin").may("member") and Caller("x", "x", "caller").may("caller")
    assert not Caller("x", "x", "caller").may("member") and not Caller("x", "x", "member").may("admin")
