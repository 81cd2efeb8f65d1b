"""How long lists, pages and ``gc`` take in a workspace that has been used for long.

    python benchmarks/lists.py [--database URL] [--runs 10000] [--artifacts 500] [--requests 1000000] [--points 100000]

Fills an empty workspace in a temporary folder (or an empty PostgreSQL schema), as 0.1 would have left it, opens it, so
that the upgrade is measured too, and prints milliseconds: the best and the worst of five, once the first is done.
``--explain`` prints how the database answers each query instead.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from click.testing import CliRunner
from fastapi.testclient import TestClient
from sqlalchemy import event

from tuneloop.cli.artifacts import lineage, show
from tuneloop.cli.lists import ls
from tuneloop.cli.removal import gc
from tuneloop.runner import Workspace
from tuneloop.settings import Settings
from tuneloop.store import Store, database
from tuneloop.store.migrations import MIGRATIONS
from tuneloop.web.app import build_app

BEFORE = 4  # migrations of the release before
KINDS = ("documents", "chunks", "dataset", "model", "evaluation")
NOW = 1_800_000_000.0  # seconds since 1970
WORDS = "What does the warranty of the pump say about frost, and who pays for the valve after the second winter? "


def tables_before(engine: sa.Engine) -> sa.MetaData:
    """The tables of the release before, in an empty database."""
    with engine.begin() as connection:
        for number, step in enumerate(MIGRATIONS[:BEFORE], 1):
            step(connection)
            connection.execute(sa.text(f"INSERT INTO schema_version (version) VALUES ({number})"))
    found = sa.MetaData()
    found.reflect(engine)
    return found


def address(number: int) -> tuple[str, str]:
    return KINDS[number % len(KINDS)], f"{number:064x}"


def fill(engine: sa.Engine, folder: Path, asked: argparse.Namespace) -> None:
    """Chains of five artifacts, runs that made them again and again, a name for each, and requests."""
    tables = tables_before(engine).tables
    with engine.begin() as connection:
        for number in range(asked.artifacts):
            kind, digest = address(number)
            (folder / "artifacts" / kind / digest).mkdir(parents=True)
            (folder / "artifacts" / kind / digest / "manifest.json").write_text(json.dumps({"files": {}}))
            summary = {"rows": number, "rejected": 0, "types": {"md": 10}, "hours": 1.5}
            made = {"created": NOW + number, "bytes": 10_000, "summary": summary}
            connection.execute(tables["artifacts"].insert().values(kind=kind, hash=digest, **made))
            name = {"kind": kind, "name": f"name-{number}", "hash": digest, "version": 1}
            connection.execute(tables["tags"].insert().values(**name, updated=NOW))
            connection.execute(tables["tag_history"].insert().values(**name, time=NOW + number, run="", taken=True))
        runs, inputs = [], []
        for number in range(asked.runs):
            output, run = number % asked.artifacts, f"{number:018d}"
            kind, digest = address(output)
            state = "failed" if number % 50 == 7 else "queued" if number % 500 == 3 else "done"
            runs.append({
                "id": run, "stage": kind, "stage_version": 1, "params": {"of": number, "text": WORDS * 3}, "typed": {},
                "key": f"{number:064x}", "tag": f"name-{output}", "state": state, "created": NOW + number,
                "seconds": 1.0, "attempts": 1, "cancel": False, "metrics": {"loss": 1.0},
                "error": {"message": "no"} if state == "failed" else None,
                "output": f"{kind}:{digest}" if state == "done" else None,
            })  # fmt: skip
            if output % len(KINDS):
                inputs.append({"run": run, "field": "source", "ref": ":".join(address(output - 1))})
        connection.execute(tables["runs"].insert(), runs)
        connection.execute(tables["run_inputs"].insert(), inputs)
        points = [{"run": f"{1:018d}", "name": name, "step": n, "value": 1 / (n + 1), "time": NOW + n}
                  for n in range(asked.points // 2) for name in ("loss", "learning_rate")]  # fmt: skip
        connection.execute(tables["run_metrics"].insert(), points)
        connection.execute(sa.text(REQUESTS[engine.dialect.name]), {
            "count": asked.requests, "now": NOW, "answer": WORDS * 4,
            "messages": json.dumps([{"role": "user", "content": WORDS}]),
        })  # fmt: skip
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))


SELECTED = """
SELECT 'r-' || n, {now} + n * 0.5, 'key' || n % 40, '/v1/chat/completions', 'route-' || n % 20,
'model:' || n % 7, CASE WHEN n % 997 = 0 THEN 500 ELSE 200 END, {false}, 0.5, {messages}, {answer} || n
"""
COLUMNS = "INSERT INTO requests (id, time, key, path, route, model, status, streamed, seconds, messages, answer)"
REQUESTS = {
    "sqlite": f"{COLUMNS} WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count)"
    + SELECTED.format(now=":now", false="0", messages=":messages", answer=":answer") + " FROM c",
    "postgresql": COLUMNS + SELECTED.format(
        now="CAST(:now AS float)", false="false", messages="CAST(:messages AS json)", answer="CAST(:answer AS text)"
    ) + " FROM generate_series(1, CAST(:count AS integer)) AS n",
}  # fmt: skip


def measures(store: Store) -> dict[str, Callable[[], Any]]:
    """What is measured, by its name."""
    client = TestClient(build_app(Workspace(store.root), auth=False), base_url="http://127.0.0.1")

    def get(path: str) -> Callable[[], Any]:
        def ask() -> Any:
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text[:300])
            return answer

        return ask

    def command(called: Any, *arguments: str) -> Callable[[], Any]:
        def call() -> None:
            done = CliRunner().invoke(called, list(arguments))
            assert done.exit_code == 0, (called.name, done.exception)

        return call

    def deep(store: Store) -> str:
        cursor = ""
        for _part in range(99):
            cursor = store.lists.runs(cursor=cursor).older or cursor
        return cursor

    def far(path: str, parts: int) -> str:
        for _part in range(parts):
            path = client.get(path).links.get("next", {"url": path})["url"]
        return path

    last = ":".join(address(4))
    asked = {
        "console /": "/", "console /runs": "/runs", "console /runs, part 100": f"/runs?cursor={deep(store)}",
        "console /runs?q=": "/runs?q=name-499", "console /runs?state=queued": "/runs?state=queued",
        "console /artifacts": "/artifacts", "console /artifacts?q=": "/artifacts?q=name-499",
        "console /artifacts?named=1": "/artifacts?named=1", "console artifact": f"/artifacts/{last}",
        "console form of train": "/stages/train", "console run with a long curve": f"/runs/{1:018d}",
        "REST /api/runs": "/api/runs?limit=50", "REST /api/runs, 1,000": "/api/runs?limit=1000",
        "REST /api/runs?state=failed": "/api/runs?state=failed", "REST /api/runs?stage=": "/api/runs?stage=model",
        "REST /api/artifacts": "/api/artifacts", "REST /api/traffic": "/api/traffic",
        "REST /api/traffic, part 100": far("/api/traffic?limit=1000", 100),
        "REST /api/traffic?route=": "/api/traffic?route=route-7", "REST /api/traffic?key=": "/api/traffic?key=key3",
        "REST /api/traffic?failed=true": "/api/traffic?failed=true",
        "REST /api/traffic?route=&failed=true": "/api/traffic?route=route-7&failed=true",
        "REST /api/traffic?model=": "/api/traffic?model=model:3",
        "REST /api/traffic?q= (found)": "/api/traffic?q=frost",
        "REST /api/traffic?q= (nowhere)": "/api/traffic?q=zebra",
        "REST /api/traffic?since=": f"/api/traffic?since={NOW + 400_000}",
        "REST lineage": f"/api/artifacts/{last}/lineage",
        "REST metrics of a long run": f"/api/runs/{1:018d}/metrics",
    }  # fmt: skip
    return {name: get(path) for name, path in asked.items()} | {
        "ls": command(ls), "ls --json": command(ls, "--json"), "ls --search": command(ls, "--search", "name-499"),
        "ls --history": command(ls, "--history"),
        "ls runs": command(ls, "runs"),
        "ls runs --state failed": command(ls, "runs", "--state", "failed"), "show": command(show, last, "--json"),
        "lineage": command(lineage, last, "--no-documents"), "gc --dry-run": command(gc, "--dry-run"),
        "gc": command(gc),
    }  # fmt: skip


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def explain() -> None:
    """From now on print how the database answers each query."""

    @event.listens_for(sa.Engine, "before_cursor_execute")
    def told(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if statement.startswith(("SELECT", "WITH")):
            word = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
            cursor.execute(f"{word} {statement}", parameters)
            plan = "\n    ".join(str(row[-1]) for row in cursor.fetchall())
            print("  " + " ".join(statement.split())[:150] + "\n    " + plan, file=sys.__stdout__)


def main() -> None:
    """Fill, upgrade, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL schema; SQLite where empty.")
    for name, count in (("runs", 10_000), ("artifacts", 500), ("requests", 1_000_000), ("points", 100_000)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--explain", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if asked.database:
            os.environ["TUNELOOP_DATABASE"] = asked.database
        os.environ["TUNELOOP_WORKSPACE"] = name
        folder = Store(root, Settings(database=asked.database)).folder  # type: ignore[call-arg]
        url, file = asked.database, folder / "tuneloop.db"
        empty = database.postgres_engine(url) if url else database.sqlite_engine(file)
        print(f"filled in {timed(lambda: fill(empty, folder, asked)) / 1000:.1f} s")
        empty.dispose()
        store = Store(root)
        print(f"upgraded in {timed(lambda: store.engine) / 1000:.1f} s, on {store.engine.dialect.name}")
        slow, wanted = 0, measures(store)
        if asked.explain:
            explain()
        for what, work in wanted.items():
            if asked.explain:
                print(what)
            work()
            times = sorted(timed(work) for _turn in range(1 if asked.explain else 5))
            slow += times[-1] > 200
            print(f"{what:42} {times[0]:8.1f} {times[-1]:8.1f} ms{'   SLOW' if times[-1] > 200 else ''}", flush=True)
        print(f"{slow} over 200 ms")


if __name__ == "__main__":
    main()
