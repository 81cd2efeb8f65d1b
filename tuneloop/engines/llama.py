"""The engine process: llama.cpp's own HTTP server, tied to its parent's life. ``python -m tuneloop.engines.llama``.

SIGTERM drains: requests in flight are finished, for as long as ``drain`` allows, then the process ends. Nothing is
fetched from anywhere: llama.cpp is told that it is offline, and listens on loopback unless told otherwise.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
import urllib.request
from typing import Any

from tuneloop import processes

BUSY = ("llamacpp:requests_processing", "llamacpp:requests_deferred")
# How long OpenMP's threads spin for each other before they sleep. The default, some 15 ms, loses nearly everything
# where another process wants a core too: on two cores, 1.5 tokens a second beside a second engine, against 20 with
# this. On an idle machine both give 85 to 90.
SPIN = "1000"
WARNINGS = 2  # llama.cpp's verbosity; from 4 on it would write prompts into the log


def parameters(config: dict[str, Any]) -> Any:
    """llama.cpp's parameters for ``config`` (made by ``Engine``)."""
    import xllamacpp

    params: Any = xllamacpp.CommonParams()  # type: ignore[attr-defined] (compiled)
    params.model.path, params.model_alias = config["file"], {config["alias"]}
    params.hostnames, params.port, params.offline, params.ui = [config["host"]], config["port"], True, False
    params.cors_origins = f"http://{config['host']}"  # no page of another site may read answers
    params.n_ctx, params.n_parallel, params.kv_unified = config["context"], config["parallel"], True
    params.cache_prompt, params.cache_ram_mib = True, config["cache_mib"]
    params.fit_params, params.verbosity = False, WARNINGS
    params.endpoint_metrics = params.endpoint_slots = True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = config["threads"]
    params.embedding = config["embedding"]
    if config["chat_template"]:
        params.use_jinja, params.chat_template = True, config["chat_template"]
    params.default_template_kwargs = {key: json.dumps(value) for key, value in config["template_kwargs"].items()}
    if config["lora"]:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(config["lora"], 1.0)]  # type: ignore[attr-defined]
    return params


def busy(url: str) -> float:
    """Requests that the server is working on or has queued."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/metrics", timeout=5) as response:
        lines = response.read().decode("utf-8", "replace").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(BUSY))


def drain(url: str, seconds: float) -> None:
    """Wait until nothing is in flight, at most ``seconds``."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and busy(url):
            time.sleep(0.05)
    except (OSError, ValueError):
        return


def main() -> int:
    arguments = argparse.ArgumentParser(prog="tuneloop.engines.llama", description=__doc__)
    arguments.add_argument("--config", required=True, help="JSON object; see Engine")
    config = json.loads(arguments.parse_args().config)
    asked_to_stop, orphaned = threading.Event(), threading.Event()

    def leave() -> None:  # nobody waits for what is in flight
        orphaned.set()
        os.kill(os.getpid(), signal.SIGTERM)

    processes.follow_parent(leave, grace=2.0)
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN)  # read when the library is loaded
    try:
        import xllamacpp

        server: Any = xllamacpp.Server(parameters(config))  # type: ignore[attr-defined]
    except ImportError as error:
        processes.say_error(str(error), kind="missing")
        return 2
    except (RuntimeError, ValueError, OSError) as error:
        processes.say_error(str(error), kind="load")
        return 2
    # Only now: while it loads, llama.cpp lets no Python handler run, and the default action ends it at once.
    signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    url = server.listening_address
    processes.say_ready(url=url, threads=config["threads"])
    asked_to_stop.wait()
    if not orphaned.is_set():
        drain(url, config["drain"])
    sys.stderr.flush()
    os._exit(0)  # llama.cpp's threads have no orderly end that is quick


if __name__ == "__main__":
    sys.exit(main())
