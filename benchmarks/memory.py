"""The most memory that a stage and its processes hold together, for n rows and for ten times as many.

    python benchmarks/memory.py [--rows 100000] [--times 10] [--only import,split,parse,chunk,text,train] [--tree DIR]

Each stage runs as it always does, in a child process of a workspace of its own; the figure is the run's
``peak_memory_mib``. ``parse`` and ``chunk`` read a file for each thousand rows, ``text`` one file of all rows (the
larger of its parse and its chunk), ``train`` does one step of a model of a few thousand weights, so that what it holds
is what it prepared. ``--tree`` measures another checkout of the source. A ratio of 1 is flat.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
STAGES = ("import", "split", "parse", "chunk", "text", "train")
FILE = 1000  # rows in a file


def sentences(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"Machine {number} of hall {number % 97} is cleaned every {number % 13 + 2} days by team {number % 29}."


def write_rows(path: Path, count: int) -> None:
    """Questions with short answers, no two alike."""
    with path.open("w", encoding="utf-8") as file:
        for number, answer in enumerate(sentences(count)):
            row = {"question": f"How often is machine {number} cleaned?", "answer": answer}
            file.write(json.dumps(row) + "\n")


def write_files(folder: Path, count: int, size: int = FILE) -> None:
    """Text files of ``size`` rows each; a paragraph has twenty."""
    folder.mkdir()
    file = None
    for number, sentence in enumerate(sentences(count)):
        if number % size == 0:
            if file:
                file.close()
            file = (folder / f"{number // size:06}.txt").open("w", encoding="utf-8")
        assert file
        file.write(sentence + ("\n\n" if number % 20 == 19 else " "))
    if file:
        file.close()


def measure(folder: Path, rows: int, only: list[str]) -> Iterator[tuple[str, float, float]]:
    """Stage, MiB and seconds, one after the other. What a stage needs is made first and not reported."""
    from tuneloop.documents.chunk import Chunk
    from tuneloop.documents.parse import Parse
    from tuneloop.runner import Workspace

    workspace = Workspace(folder / "workspace")

    def run(stage: Any) -> tuple[str, float, float]:
        begun = time.perf_counter()
        result = workspace.run(stage)
        return str(result.address), result.metrics["peak_memory_mib"], time.perf_counter() - begun

    if {"import", "split", "train"} & set(only):
        yield from of_rows(folder, rows, only, workspace, run)
    if {"parse", "chunk"} & set(only):
        write_files(folder / "files", rows)
        documents, peak, seconds = run(Parse.model_validate({"paths": [str(folder / "files")]}))
        yield "parse", peak, seconds
        if "chunk" in only:
            yield "chunk", *run(Chunk.model_validate({"documents": documents}))[1:]
    if "text" in only:
        write_files(folder / "one", rows, rows)
        documents, peak, seconds = run(Parse.model_validate({"paths": [str(folder / "one")]}))
        _chunks, other, more = run(Chunk.model_validate({"documents": documents}))
        yield "text", max(peak, other), seconds + more


def of_rows(folder: Path, rows: int, only: list[str], workspace: Any, run: Any) -> Iterator[tuple[str, float, float]]:
    from tuneloop.dataset.importing import ImportDataset
    from tuneloop.dataset.split import Split
    from tuneloop.train.stage import Train

    write_rows(folder / "rows.jsonl", rows)
    dataset, *peak = run(ImportDataset.model_validate({"file": str(folder / "rows.jsonl")}))
    yield "import", *peak
    if "split" in only:
        yield "split", *run(Split.model_validate({"dataset": dataset}))[1:]
    if "train" in only:
        sys.path.insert(0, str(HERE / "tests"))
        make_tiny_model = importlib.import_module("tiny").make_tiny_model

        model = workspace.store.artifacts.save("model", make_tiny_model(folder / "model"), {})
        one = {"dataset": [dataset], "model": str(model), "max_length": 256, "epochs": 1, "steps": 1}
        yield "train", *run(Train.model_validate(one))[1:]


def child(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for line in measure(Path(folder), arguments.rows, arguments.only.split(",")):
            print(json.dumps(line), flush=True)


def peaks(arguments: argparse.Namespace, rows: int) -> dict[str, tuple[float, float]]:
    """By stage: MiB and seconds."""
    command = [sys.executable, __file__, "--child", "--rows", str(rows), "--only", arguments.only]
    environment = {**os.environ, "PYTHONPATH": str(arguments.tree), "PYTHONSAFEPATH": "1"}
    found: dict[str, tuple[float, float]] = {}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if not line.startswith("["):  # a library's progress bar
                continue
            name, mib, seconds = json.loads(line)
            found[name] = mib, seconds
            print(f"{name:8} {rows:>10,} rows {mib:>8.0f} MiB {seconds:>7.1f} s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--only", default=",".join(STAGES))
    parser.add_argument("--tree", type=Path, default=HERE)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    few, many = peaks(arguments, arguments.rows), peaks(arguments, arguments.rows * arguments.times)
    for name in few.keys() & many.keys():
        print(f"{name:8} ratio {many[name][0] / few[name][0]:.2f}")


if __name__ == "__main__":
    main()
