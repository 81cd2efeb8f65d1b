"""Engine and gateway together: what a route is told, and what is noticed when one of them ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tuneloop import processes, serving
from tuneloop.engines import Engine
from tuneloop.errors import TuneloopError
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
        "system_prompt": "Be brief.", "context_length": 1024, "engine": True, "passages": 2,
        "mark_unsupported": True,
    }  # fmt: skip
    assert serving.engine_route(store, "help", an_engine(), passages=7)["passages"] == 7


def start(workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    options = ("--no-auth", "--json", "--port", str(processes.free_port()))
    return subprocess.Popen(
        [sys.executable, "-m", "tuneloop", *arguments, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "TUNELOOP_WORKSPACE": str(workspace)}, text=True,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/proc").exists(), reason="there is no /proc here to find children by")
@pytest.mark.parametrize(
    "arguments", [("serve", "--upstream", "http://127.0.0.1:9/v1#m"), ("web",), ("web", "--no-worker")], ids=" ".join
)
def test_a_command_ends_with_its_server(arguments: tuple[str, ...], tmp_path: Path) -> None:
    command = start(tmp_path, *arguments)
    assert command.stdout and json.loads(command.stdout.readline())["state"] == "ready"
    for child in Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text(encoding="ascii").split():
        os.kill(int(child), signal.SIGKILL)
    _rest, shown = command.communicate(timeout=30)
    assert command.returncode == 2 and "the server has ended: killed by SIGKILL" in shown
    assert len([line for line in shown.splitlines() if "ended" in line]) == 1 and "Traceback" not in shown


def test_an_engine_that_is_given_up_ends_the_command() -> None:
    engine = an_engine()
    engine.failure = "the engine ended 6 times"
    with pytest.raises(TuneloopError, match=r"engine.log: the engine ended 6 times"):
        serving.stay(SimpleNamespace(alive=True), engine)  # type: ignore[arg-type]


def test_two_gateways_of_one_workspace_do_not_touch_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    routes = [serving.route(store, "m", "http://127.0.0.1:9/v1", "m")]
    host, shown = ("::1", "[::1]") if processes.port_is_free("::1", 0) else ("127.0.0.1", "127.0.0.1")
    with serving.gateway_process(store, routes, log="gateway", auth=False) as first:
        with serving.gateway_process(store, routes, log="gateway", auth=False, host=host) as second:
            assert second.url.startswith(f"http://{shown}:") and httpx.get(f"{second.url}/health").status_code == 200
        assert httpx.get(f"{first.url}/health").status_code == 200
        assert not list(store.folder.rglob("gateway-*.json")), "a configuration may hold secrets, and is not left"
