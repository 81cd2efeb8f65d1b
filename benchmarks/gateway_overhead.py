"""How much later the first token comes through the gateway than from the engine itself, asked in turns in one run.

    python benchmarks/gateway_overhead.py                      # against a mock engine: first token after 50 ms
    python benchmarks/gateway_overhead.py --upstream http://127.0.0.1:8080/v1 --model NAME --rate 1
    python benchmarks/gateway_overhead.py --litellm /path/to/venv/bin/litellm   # and a LiteLLM proxy beside it

Requests start at fixed times, whether or not earlier ones are done, and each latency counts from the time at which its
request should have started. Each target gets the same requests, one after the other in turn, so that whatever else
the machine does touches all alike.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tuneloop import processes
from tuneloop.access import create_key
from tuneloop.store import Store

FIRST, GAP, CHUNKS = 0.050, 0.005, 20  # of the mock engine: seconds to the first token, between tokens; tokens


async def mock_engine(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An engine whose latency is known: an ASGI application."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    start = time.perf_counter()
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(CHUNKS + 1):
        await asyncio.sleep(max(0.0, start + FIRST + number * GAP - time.perf_counter()))
        reason = "stop" if number == CHUNKS else None
        choice = {"index": 0, "delta": {} if reason else {"content": f"word{number} "}, "finish_reason": reason}
        chunk = {
            "id": "chatcmpl-mock",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
        data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


@contextmanager
def running(command: list[str], url: str, seconds: float = 240, **environment: str) -> Iterator[None]:
    """A process that is stopped with the block; waits until ``url`` answers."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, env=os.environ | environment)
    try:
        end = time.monotonic() + seconds
        while True:
            try:
                httpx.get(url, timeout=2, trust_env=False)
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"did not start: {' '.join(command[:4])}") from None
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def gateway(folder: Path, upstream: str, model: str) -> Iterator[tuple[str, str]]:
    """Our gateway with keys on; its URL and a key."""
    key = create_key(Store(folder), "benchmark").key
    route = {"name": "m", "upstream_url": upstream, "upstream_model": model}
    config = folder / "gateway.json"
    config.write_text(json.dumps({"port": 0, "workspace": str(folder), "routes": [route]}), encoding="utf-8")
    command = processes.module_command("tuneloop.gateway", "--config", str(config))
    with processes.Child.start(command, log=folder / "gateway.log") as child:
        yield f"{child.ready['url']}/v1", key


@contextmanager
def litellm(program: str, folder: Path, upstream: str, model: str) -> Iterator[tuple[str, str]]:
    """A LiteLLM proxy with one route and a master key, without a database."""
    port, key = processes.free_port(), "sk-" + secrets.token_hex(24)
    parameters = {"model": f"openai/{model}", "api_base": upstream, "api_key": "none"}
    config = folder / "litellm.yaml"  # JSON is YAML
    config.write_text(json.dumps({
        "model_list": [{"model_name": "m", "litellm_params": parameters}], "general_settings": {"master_key": key},
    }))  # fmt: skip
    command = [program, "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/health/liveliness", LITELLM_LOCAL_MODEL_COST_MAP="True", NO_PROXY="127.0.0.1"):
        yield f"{url}/v1", key


async def first_token(client: httpx.AsyncClient, url: str, key: str, model: str, due: float) -> float:
    """Seconds from ``due`` to the first token with text; the rest of the answer is read as well."""
    await asyncio.sleep(max(0.0, due - time.perf_counter()))
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Say something."}],
        "stream": True,
        "max_tokens": 24,
    }
    seconds = float("nan")
    async with client.stream(
        "POST", f"{url}/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}
    ) as answer:
        if answer.status_code != 200:
            raise SystemExit(f"{url} answers {answer.status_code}: {(await answer.aread())[:300]!r}")
        async for line in answer.aiter_lines():
            if seconds == seconds or not line.startswith("data: {"):
                continue
            choices = json.loads(line[6:]).get("choices") or [{}]
            if (choices[0].get("delta") or {}).get("content"):
                seconds = time.perf_counter() - due
    return seconds


async def measure(targets: dict[str, tuple[str, str, str]], requests: int, rate: float) -> dict[str, list[float]]:
    """Ask every target ``requests`` times, in turns, ``rate`` requests a second at each."""
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=None), trust_env=False) as client:
        for url, key, model in targets.values():
            for _n in range(5):
                await first_token(client, url, key, model, time.perf_counter())
        begin, step = time.perf_counter() + 0.5, 1 / rate
        work: dict[str, list[asyncio.Task[float]]] = {name: [] for name in targets}
        for number in range(requests):
            for turn, (name, (url, key, model)) in enumerate(targets.items()):
                due = begin + number * step + turn * step / len(targets)
                work[name].append(asyncio.create_task(first_token(client, url, key, model, due)))
        return {name: list(await asyncio.gather(*tasks)) for name, tasks in work.items()}


def report(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median, P99, what each adds to the direct median, and the ratio, in milliseconds; printed as a table."""
    rows: dict[str, dict[str, float]] = {}
    print(f"{'target':<10}{'median ms':>12}{'P99 ms':>10}{'added ms':>10}{'added P99':>11}{'ratio':>8}")
    for name, seconds in times.items():
        ordered = sorted(seconds)
        median = statistics.median(ordered) * 1000
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000
        base = rows.get("direct", {"median_ms": median, "p99_ms": p99})
        row = {
            "median_ms": median, "p99_ms": p99, "added_ms": median - base["median_ms"],
            "added_p99_ms": p99 - base["p99_ms"], "ratio": median / base["median_ms"],
        }  # fmt: skip
        rows[name] = {key: round(value, 3) for key, value in row.items()}
        print(
            f"{name:<10}{median:>12.2f}{p99:>10.2f}{row['added_ms']:>10.2f}{row['added_p99_ms']:>11.2f}{row['ratio']:>8.3f}"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", default="", help="a real engine's URL, ending in /v1; a mock where left out")
    parser.add_argument("--model", default="m", help="the model's name there")
    parser.add_argument("--requests", type=int, default=200, help="requests to each target")
    parser.add_argument("--rate", type=float, default=10.0, help="requests a second to each target")
    parser.add_argument("--litellm", default="", metavar="PATH", help="the litellm program of another environment")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument("--mock", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.mock:
        import uvicorn

        uvicorn.run(mock_engine, port=given.mock, log_level="warning")
        return
    from contextlib import ExitStack

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = given.upstream.rstrip("/")
        if not upstream:
            port = processes.free_port()
            stack.enter_context(running([sys.executable, __file__, "--mock", str(port)], f"http://127.0.0.1:{port}/"))
            upstream = f"http://127.0.0.1:{port}/v1"
        targets = {"direct": (upstream, "none", given.model)}
        targets["tuneloop"] = (*stack.enter_context(gateway(folder, upstream, given.model)), "m")
        if given.litellm:
            targets["litellm"] = (*stack.enter_context(litellm(given.litellm, folder, upstream, given.model)), "m")
        rows = report(asyncio.run(measure(targets, given.requests, given.rate)))
    if given.json:
        print(json.dumps({"requests": given.requests, "rate": given.rate, "targets": rows}))


if __name__ == "__main__":
    main()
