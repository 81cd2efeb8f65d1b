"""The most memory that making an index holds, and how large its files are, for n passages and for ten times as many.

    python benchmarks/index_memory.py [--passages 100000] [--times 10]

By words alone: what embeds the passages would take hours, and holds one batch. The passages are sentences of words that
are drawn by Zipf's law.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tuneloop.knowledge.index import Index
from tuneloop.records import Chunk, write_rows
from tuneloop.runner import Workspace

WORDS = 40  # of a passage


def passages(count: int) -> Iterator[Chunk]:
    draw = np.random.default_rng(7)
    for start in range(0, count, 1000):
        drawn = draw.zipf(1.3, (min(1000, count - start), WORDS)) % 500_000
        for n, row in enumerate(drawn, start):
            text = " ".join(f"w{number}" for number in row)
            yield Chunk(id=f"{n:016x}", document=f"d{n // 20}", name=f"d{n // 20}.md", start=0, end=len(text),
                        text=text, heading=["Manual", f"Part {n // 20}"], tokens=WORDS)  # fmt: skip


def measured(count: int, folder: Path) -> tuple[float, float, float]:
    """Peak memory and size of the files in MiB, and seconds."""
    workspace = Workspace(folder / "workspace")
    rows = folder / "rows"
    rows.mkdir()
    write_rows(rows / "chunks.parquet", Chunk, passages(count))
    ref = str(workspace.store.artifacts.save("chunks", rows, {"chunks": count}))
    result = workspace.run(Index(chunks=ref, embedding="none"), name="x")
    made = workspace.store.artifacts.path(result.address)
    size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
    return result.metrics["peak_memory_mib"], size / 2**20, result.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    found = []
    for count in (options.passages, options.passages * options.times):
        folder = Path(tempfile.mkdtemp())
        try:
            found.append(measured(count, folder))
        finally:
            shutil.rmtree(folder)
        peak, size, seconds = found[-1]
        print(f"{count:9,} passages: {peak:7,.0f} MiB at most, files {size:7,.0f} MiB, {seconds:6.1f} s", flush=True)
    print(f"ratio: memory {found[1][0] / found[0][0]:.2f}, files {found[1][1] / found[0][1]:.2f}")


if __name__ == "__main__":
    main()
