"""Kill the demo with SIGKILL at random moments: nothing is lost, no finished work is repeated, nothing is left running.

    python benchmarks/kill.py [--kills 20] [--language en] [--documents DIR] [--limit 6]

Starts the demo, kills the command (not its children: they must leave by themselves) after a random time, checks, and
starts it again, until it has been killed that often; the last one may finish. Prints a row a kill and, at the end, how
often each stage was begun. Exit status 1 where a promise was broken.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tuneloop.store import Store


def ancestors() -> set[int]:
    """This process and all that it was started by, whose command lines name the workspace as well."""
    found, number = set(), os.getpid()
    while number > 1:
        found.add(number)
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        number = int(fields[1])
    return found


def ours(workspace: Path) -> list[str]:
    """Command lines of living processes that belong to this workspace."""
    found, own = [], ancestors()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
            where = str((folder / "cwd").readlink())
        except OSError:
            continue
        if int(folder.name) not in own and (str(workspace) in line or where.startswith(str(workspace))):
            found.append(f"{folder.name} {line[:100]}")
    return found


def wait_until_clean(workspace: Path, seconds: float = 30.0) -> list[str]:
    deadline = time.time() + seconds
    while (left := ours(workspace)) and time.time() < deadline:
        time.sleep(0.2)
    return left


def finished(workspace: Path) -> dict[str, tuple[str, int, str]]:
    """Runs that ended well: ``{id: (stage, attempts, output)}``."""
    return {
        r.id: (r.stage, r.attempts, r.output) for r in Store(workspace).runs.recent(limit=1000) if r.state == "done"
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--language", default="en")
    parser.add_argument("--documents", type=Path)
    parser.add_argument("--limit", type=int, default=6, help="passages the teacher is asked about")
    parser.add_argument("--longest", type=float, default=25.0, help="longest time before a kill, in seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="workspace to use and keep")
    parser.add_argument("more", nargs="*", help="further options of the demo, after --")
    options = parser.parse_args()
    workspace = (options.keep or Path(tempfile.mkdtemp(prefix="tuneloop-kill-"))).resolve()
    command = [
        sys.executable, "-m", "tuneloop", "demo", "--language", options.language, "--limit", str(options.limit),
        "--out", str(workspace), *options.more,
    ]  # fmt: skip
    if options.documents:
        command += ["--documents", str(options.documents.resolve())]
    environment = {**os.environ, "TUNELOOP_WORKSPACE": str(workspace)}
    chance, broken, kills, number = random.Random(options.seed), [], 0, 0
    print(f"workspace {workspace}")
    while True:
        number += 1
        before = finished(workspace)
        log = (workspace / "demo.log").open("ab")
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        moment = chance.uniform(0.2, options.longest)
        try:
            process.wait(moment if kills < options.kills else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        left = wait_until_clean(workspace)
        after = finished(workspace)
        if left:
            broken.append(f"start {number}: still running: {left}")
        for run, facts in before.items():
            if after.get(run) != facts:
                broken.append(f"start {number}: a finished run changed: {run} {facts} -> {after.get(run)}")
        live = [
            f"{r.stage} {r.progress and r.progress.get('done')}"
            for r in Store(workspace).runs.recent()
            if r.state != "done"
        ]
        ended = "killed" if process.returncode == -signal.SIGKILL else f"ended with {process.returncode}"
        print(
            f"{number:3} {ended} after {moment:5.1f} s · {len(after)} runs done · open: {', '.join(live) or '-'}",
            flush=True,
        )
        if process.returncode not in (0, -signal.SIGKILL):
            broken.append(f"start {number}: exit status {process.returncode}, see {workspace}/demo.log")
        if process.returncode != -signal.SIGKILL and kills < options.kills and process.returncode == 0:
            Store(workspace)  # it got through between kills: begin again from nothing with the kills that are left
            shutil.rmtree(workspace / ".tuneloop")
            print("    finished; beginning again with an empty workspace", flush=True)
            continue
        if process.returncode != -signal.SIGKILL:
            break
    keys: dict[str, int] = {}
    for row in Store(workspace).runs.recent(limit=1000):
        keys[row.key] = keys.get(row.key, 0) + (row.state == "done")
        print(f"  {row.stage:<11} {row.state:<9} begun {row.attempts} times, {row.seconds:.1f} s in all")
    broken += [f"work done twice: {key}" for key, count in keys.items() if count > 1]
    if not (workspace / "report.html").exists():
        broken.append("no report was written")
    for line in broken:
        print(f"BROKEN {line}")
    print(f"{kills} kills, {len(broken)} promises broken")
    if not broken and not options.keep:
        shutil.rmtree(workspace, ignore_errors=True)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
