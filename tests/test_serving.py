"""Engine and gateway together: what a route is told, and what is noticed when one of them ends."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tuneloop import serving
from tuneloop.engines import Engine
from tuneloop.models import ModelCard
from tuneloop.store import Store


def an_engine(**config: Any) -> Engine:
    card = ModelCard(system_prompt="Be brief.", passages=2)
    full = {"host": "127.0.0.1", "port": 9, "context": 4096, "parallel": 4, **config}
    return Engine(card, full, Path("engine.log"), SimpleNamespace(alive=False, code=-9))  # type: ignore[arg-type]


def test_a_route_knows_the_context_that_each_request_has(tmp_path: Path) -> None:
    store = Store(tmp_path)
    route = serving.engine_route(store, "help", an_engine(), model_address="model:x", mark_unsupported=True)
    assert route == {
        "name": "help", "upstream_url": "http://127.0.0.1:9/v1", "upstream_model": "help", "model_address": "model:x",
        "system_prompt": "Be brief.", "context_length": 1024, "passages": 2, "mark_unsupported": True,
    }  # fmt: skip
    assert serving.engine_route(store, "help", an_engine(), passages=7)["passages"] == 7
