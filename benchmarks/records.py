"""Rows written to Parquet and read again, as typed records and as plain dicts by pyarrow alone: rows a second.

    python benchmarks/records.py [--rows 20000]

Each figure is the best of five; what it takes to make the rows is left out.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tuneloop.records import Chunk, Example, Message, Record, Source, arrow_schema, read_rows, write_rows


def examples(count: int) -> Iterator[Example]:
    for n in range(count):
        said = [
            Message(role="user", content=f"Question {n}?"),
            Message(role="assistant", content="An answer of some length."),
        ]
        yield Example(id=f"{n:016x}", messages=said, sources=[Source(chunk="c", name="n")])


def chunks(count: int) -> Iterator[Chunk]:
    for n in range(count):
        yield Chunk(
            id=f"{n}", document="d", name="n", start=0, end=200, text="word " * 40, heading=["a", "b"], tokens=50
        )


def best(work: Callable[[], object]) -> float:
    """Seconds."""
    found = []
    for _ in range(5):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)


def consume(rows: Iterator[object]) -> None:
    for _row in rows:
        pass


def measured(kind: type[Record], made: Callable[[int], Iterator[Record]], count: int, folder: Path) -> None:
    ours, plain, making = folder / "ours.parquet", folder / "plain.parquet", best(lambda: consume(made(count)))
    write = best(lambda: write_rows(ours, kind, made(count))) - making
    read = best(lambda: consume(read_rows(ours, kind)))
    dicts, schema = pq.read_table(ours).to_pylist(), arrow_schema(kind)
    plain_write = best(lambda: pq.write_table(pa.Table.from_pylist(dicts, schema=schema), plain, compression="zstd"))
    plain_read = best(lambda: pq.read_table(plain).to_pylist())
    for what, here, there in (("write", write, plain_write), ("read", read, plain_read)):
        rate = f"{count / here:9,.0f} rows/s, pyarrow alone {count / there:9,.0f}"
        print(f"{kind.__name__:8} {what:5} {rate}, ratio {there / here:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        measured(Example, examples, count, Path(folder))
        measured(Chunk, chunks, count, Path(folder))


if __name__ == "__main__":
    main()
