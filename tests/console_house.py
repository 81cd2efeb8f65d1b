"""A small workspace with something of every kind, the console before it, and a browser: what its tests stand on."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from gateway_house import PARTS, Engine, Running
from tiny import make_tiny_gguf, make_tiny_model

from tuneloop.access import Verifier, create_key
from tuneloop.records import Example, Message, Rejected, content_id, write_rows
from tuneloop.registry import find_stage
from tuneloop.runner import Workspace
from tuneloop.store import Store
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


class Teacher(Engine):
    """An engine that, asked for pairs, makes one of the text that it is shown."""

    async def good(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        self.parts = PARTS
        if "response_format" in body:
            found = re.search(r"Press the red button to start the (\w+) again\.", body["messages"][-1]["content"])
            pairs = [{"question": f"How is the {found[1]} started again?", "answer": found[0]}] if found else []
            self.parts = [json.dumps({"pairs": pairs})]
        await super().good(body, receive, send)


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

    @property
    def training(self) -> dict[str, Any]:
        """What to fill in for a training of two steps, with a value other than the default in each field."""
        return {
            "dataset": ["dataset:faq", self.refs["nameless"]], "model": "model:base", "epochs": 2,
            "method": {"name": "rslora", "rank": 4, "alpha": 8, "dropout": 0.1},
            "learning_rate": 1e-3, "max_length": 200, "truncate": True,
            "batch": 256, "packing": False, "warmup": 0.1, "scheduler": "linear", "weight_decay": 0.01,
            "max_gradient": 0.5, "validation": 0.2, "steps": 2, "save_steps": 5, "seed": 1,
            "system_prompt": "Answer, briefly:\nin one line.", "precision": "fp32",
        }  # fmt: skip

    def tuned(self) -> str:
        """The model that this training makes, as ``model:tuned``; made once, by whichever test is first."""
        return str(self.workspace.run(find_stage("train").model_validate(self.training), name="tuned").output)

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
    engine = Running(Teacher())
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
    refs["nameless"] = save(workspace.store, folder, rejected=60)
    make_tiny_gguf(folder / "tiny", make_tiny_model(folder / "source"))
    refs["base"] = made("pull", "base", model=str(folder / "tiny"))
    return refs


def save(store: Store, folder: Path, *, rejected: int) -> str:
    """A dataset of no name with more rows that were set aside than a page shows."""
    out = folder / "made"
    out.mkdir()
    rows = [Rejected(where=f"row {n}", reason="the passage is empty", row=f"row number {n}") for n in range(rejected)]
    write_rows(out / "rejected.parquet", Rejected, rows)
    said = [(f"What is number {n}?", f"Number {n} is a meter.") for n in range(20)]
    examples = [
        Example(id=content_id(question), origin="import",
                messages=[Message(role="user", content=question), Message(role="assistant", content=answer)])
        for question, answer in said
    ]  # fmt: skip
    write_rows(out / "examples.parquet", Example, examples)
    return str(store.artifacts.save("dataset", out, {"examples": len(examples), "rejected": rejected}))
