"""A small workspace with something of every kind, the console before it, and a browser: what its tests stand on."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from gateway_house import Engine, Running
from tiny import TEMPLATE

from tuneloop.access import Verifier, create_key
from tuneloop.models import ModelCard, write_card
from tuneloop.records import Rejected, Trained, write_rows
from tuneloop.registry import find_stage
from tuneloop.runner import Workspace
from tuneloop.store import Store
from tuneloop.train.lesson import Lesson
from tuneloop.train.preview import preview_page
from tuneloop.web.app import build_app

BELIEVED = 0.5  # seconds for which a key that was checked is believed
TOPICS = ("pump", "valve", "meter", "filter", "gauge", "boiler")
PAGE = "# The {0}\n\nThe {0} stops at {1} bar. Press the red button to start the {0} again.\n\n## Care\n\nClean it.\n"


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """A browser that is told nothing of the net outside."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("chromium is not installed")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", *arguments]
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=found, args=flags)
        yield browser
        browser.close()


@dataclass
class Console:
    """The console on a port of its own, with a key for each role."""

    workspace: Workspace
    running: Running
    engine: Running
    folder: Path
    refs: dict[str, str]
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.running.url

    def key(self, role: str) -> str:
        if role not in self.keys:
            self.keys[role] = create_key(self.workspace.store, role, role=role).key
        return self.keys[role]


@contextmanager
def console(folder: Path) -> Iterator[Console]:
    """The workspace, its console and an engine that answers anything in one sentence."""
    workspace = Workspace(folder / "workspace")
    refs = furnish(workspace, folder)
    with patch("tuneloop.web.app.Verifier", partial(Verifier, seconds=BELIEVED)):
        running = Running(build_app(workspace))
    engine = Running(Engine())
    try:
        yield Console(workspace, running, engine, folder, refs)
    finally:
        running.stop()
        engine.stop()


def furnish(workspace: Workspace, folder: Path) -> dict[str, str]:
    """An artifact of every kind that a form may name or a page shows, made by the stages where these are quick."""
    pages = folder / "pages, in two folders"
    pages.mkdir()
    for number, topic in enumerate(TOPICS):
        (pages / f"{topic}.md").write_text(PAGE.format(topic, 10 + number))
    (pages / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    rows = [
        {"ask": f"Where does the {t} stop?", "reply": f"The {t} stops at {10 + n} bar."} for n, t in enumerate(TOPICS)
    ]
    (folder / "faq.jsonl").write_text("\n".join(json.dumps(row) for row in [*rows, {"ask": "", "reply": "x"}]))

    def made(stage: str, name: str, **params: Any) -> str:
        return str(workspace.run(find_stage(stage).model_validate(params), name=name).output)

    refs = {"documents": made("parse", "hand", paths=[str(pages)])}
    refs["chunks"] = made("chunk", "hand", documents="documents:hand", tokens=40, overlap=5)
    refs["index"] = made("index", "hand", chunks="chunks:hand", embedding="none")
    refs["dataset"] = made("import", "faq", file=str(folder / "faq.jsonl"), columns="question=ask,answer=reply")
    for name in ("alpha", "beta"):  # names beyond the first, and an artifact that has none
        workspace.store.artifacts.tag(name, workspace.store.artifacts.resolve("documents:hand"))
    refs["nameless"] = save(workspace.store, folder, "dataset", "", rejected=60)
    refs["base"] = save(workspace.store, folder, "model", "base", card=ModelCard(format="hf", name="tiny base"))
    refs["model"] = trained(workspace.store, folder, refs)
    return refs


def save(store: Store, folder: Path, kind: str, name: str, *, card: ModelCard | None = None, rejected: int = 0) -> str:
    out = folder / "made"
    out.mkdir()
    if card:
        write_card(out, card)
    if rejected:
        rows = [
            Rejected(where=f"row {n}", reason="the passage is empty", row=f"row number {n}") for n in range(rejected)
        ]
        write_rows(out / "rejected.parquet", Rejected, rows)
    address = store.artifacts.save(kind, out, {"rejected": rejected} if rejected else {})
    if name:
        store.artifacts.tag(name, address)
    return str(address)


def trained(store: Store, folder: Path, refs: dict[str, str]) -> str:
    """What a training leaves behind, without the training: an adapter's card, curves, preview and rows."""
    out = folder / "made"
    out.mkdir()
    card = ModelCard(format="adapter", base=refs["base"], name="tiny", chat_template=TEMPLATE, context_length=256)
    write_card(out, card)
    loss = [[step, 3.0 - step / 10] for step in range(1, 13)]
    facts = {"loss": loss, "validation_loss": [[0, 3.0], [12, 2.0]], "steps": 12}
    (out / "training.json").write_text(json.dumps(facts))
    lesson = Lesson("a", refs["dataset"], [1, 2, 3], [False, True, True], "Where? Here.", [(0, 6), (6, 11), (11, 12)])
    (out / "preview.html").write_text(preview_page([[lesson]], [], count=1, total=3, learned=2))
    row = Trained(
        example=first_id(store, refs["dataset"]), dataset=refs["dataset"], part="train", tokens=3, learned_tokens=2
    )
    write_rows(out / "trained.parquet", Trained, [row])
    address = store.artifacts.save("model", out, {"name": "tiny", "format": "adapter", "loss": 1.8})
    store.artifacts.tag("tuned", address)
    return str(address)


def first_id(store: Store, dataset: str) -> str:
    import pyarrow.parquet as pq

    folder = store.artifacts.path(store.artifacts.resolve(dataset))
    return pq.read_table(folder / "examples.parquet", columns=["id"])["id"][0].as_py()
