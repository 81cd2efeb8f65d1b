"""How truly does the load generator measure? A mock server notes when it really sent each first token.

    python benchmarks/loadtest_accuracy.py [--rate 10] [--seconds 20]

Prints, at the median and at P99, the true time to first token, what ``tuneloop.loadtest`` measured, and the
ratio; likewise for the gap between tokens. guidellm runs beside it, against the same server and at the same rate, where
the command of an environment of its own is given: ``--guidellm PATH``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tuneloop.loadtest.arrivals import arrivals  # noqa: E402
from tuneloop.loadtest.generator import Generator, Plan  # noqa: E402
from tuneloop.loadtest.prompts import body, built_in, choose  # noqa: E402
from tuneloop.loadtest.report import quantile  # noqa: E402
from tuneloop.loadtest.wire import parse_target  # noqa: E402
from tuneloop.processes import Child  # noqa: E402

Times = dict[str, list[float]]  # "first": seconds to the first token; "gaps": seconds between tokens


def truth(url: str, *, forget: bool = False) -> Times:
    request = urllib.request.Request(url.replace("/v1", "/truth"), method="POST" if forget else "GET")
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read())


def measure_ours(url: str, rate: float, seconds: float) -> Times:
    starts = arrivals("constant", rate, seconds, 0)
    bodies = [body(c, model="ok", max_tokens=20, seed=0) for c in built_in()]
    generator = Generator(Plan(parse_target(url), starts, choose(built_in(), len(starts), 0), bodies, 30.0))
    generator.start()
    generator.join()
    rows = generator.progress.rows
    first = [r.time_to_first_token for r in rows if r.time_to_first_token is not None]
    return {"first": first, "gaps": [b - a for r in rows for a, b in pairwise(r.token_times)]}


def measure_guidellm(command: str, url: str, rate: float, seconds: float) -> Times:
    """guidellm 0.8. Its gaps are means of whole requests, so only its times to the first token are compared."""
    with tempfile.TemporaryDirectory() as folder:
        questions, report = Path(folder) / "questions.csv", Path(folder) / "report.json"
        texts = [c[0]["content"].replace('"', "'") for c in built_in()] * int(rate * seconds)  # it asks each once
        questions.write_text("\n".join(["prompt", *(f'"{text}"' for text in texts)]), encoding="utf-8")
        subprocess.run(
            [command, "run", "--backend", f"kind=openai_http,target={url.removesuffix('/v1')},model=ok",
             "--profile", f"kind=constant,rate={rate:g}", "--constraint", f"kind=max_duration,seconds={seconds:g}",
             "--data", f"kind=csv_file,path={questions}", "--output", f"kind=json,path={report}", "--disable-console"],
            check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, timeout=seconds + 300,
        )  # fmt: skip
        done = json.loads(report.read_text(encoding="utf-8"))["benchmarks"][0]["requests"]["successful"]
    return {"first": [r["time_to_first_token_ms"] / 1000 for r in done], "gaps": []}


def line(name: str, true: Times, measured: Times) -> dict[str, Any]:
    """One row of the table: milliseconds, and how far from the truth."""
    found: dict[str, Any] = {"tool": name, "requests": len(measured["first"])}
    for kind, label in (("first", "time_to_first_token"), ("gaps", "inter_token_latency")):
        for share, tag in ((0.5, "p50"), (0.99, "p99")):
            if measured[kind]:
                real, seen = quantile(sorted(true[kind]), share), quantile(sorted(measured[kind]), share)
                found[f"{label}_{tag}"] = [round(real * 1e3, 3), round(seen * 1e3, 3), round(seen / real, 3)]
    return found


def main() -> None:
    options = argparse.ArgumentParser(
        description="Accuracy of the load generator against a server that knows the truth."
    )
    options.add_argument("--rate", type=float, default=10.0)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--guidellm", default="", help="the guidellm command, where it is to be compared")
    chosen = options.parse_args()
    tools: dict[str, Any] = {"tuneloop": measure_ours}
    if chosen.guidellm:
        tools["guidellm"] = lambda *a: measure_guidellm(chosen.guidellm, *a)
    mock, log = str(Path(__file__).with_name("mock_chat_server.py")), Path(tempfile.gettempdir()) / "mock.log"
    print(f"{chosen.rate:g} requests/s for {chosen.seconds:g} s; milliseconds: true, measured, ratio")
    with Child.start([sys.executable, mock], log=log) as child:
        for name, measure in tools.items():
            truth(child.ready["url"], forget=True)
            measured = measure(child.ready["url"], chosen.rate, chosen.seconds)
            print(json.dumps(line(name, truth(child.ready["url"]), measured)), flush=True)


if __name__ == "__main__":
    main()
