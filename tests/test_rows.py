"""Work on many rows: in processes, in order, few at once, and nothing of the rest is lost with one that dies."""

import os
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tuneloop.errors import NotFound
from tuneloop.records import Example, Message, Record, Source, write_rows
from tuneloop.rows import RUNNERS, Limits, map_batches, tell
from tuneloop.rows.aside import Aside
from tuneloop.rows.seen import Seen


@pytest.fixture(autouse=True)
def found_by_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


class Number(Record):
    value: int
    text: str = ""


def squares(rows: Sequence[Number], plus: int = 0) -> Iterator[Number]:
    for row in rows:
        print("a library talks")  # which must not be taken for a result
        if row.text == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if row.text == "hang":
            time.sleep(60)
        if row.text == "bug":
            raise KeyError("x")
        if row.text == "slowly":
            for step in range(1, 6):
                time.sleep(0.25)
                tell(step, 5)
        yield Number(value=row.value**2 + plus, text=row.text)


def square(rows: Any, **options: Any) -> Iterator[Any]:
    return map_batches(squares, rows, takes=Number, gives=Number, **options)


def test_rows_come_back_in_order_and_only_few_are_taken_in_advance() -> None:
    taken = 0

    def numbers() -> Iterator[Number]:
        nonlocal taken
        for taken in range(1, 201):
            yield Number(value=taken, text="\udcff")  # a name that is not UTF-8

    found: list[int] = []
    for done in square(numbers(), batch=5, arguments={"plus": 1}, limits=Limits(workers=2)):
        assert not done.problem and taken <= len(found) + 5 * 5
        found += [row.value for row in done.rows()]
    assert found == [n * n + 1 for n in range(1, 201)]


def test_a_batch_that_cannot_be_done_is_named_and_the_rest_goes_on() -> None:
    texts = ["", "crash", "", "bug", "hang", ""]
    rows = [Number(value=n, text=text) for n, text in enumerate(texts)]
    limits = Limits(workers=2, seconds=lambda batch: 2.0 if batch[0].text == "hang" else 30.0)
    done = list(square(rows, batch=1, limits=limits))
    assert [(d.batch.first, d.how, d.problem) for d in done if d.problem] == [
        (1, "died", "SIGKILL"), (3, "failed", "KeyError: 'x'"), (4, "slow", "not done within 2 seconds"),
    ]  # fmt: skip
    assert [row.value for d in done for row in d.rows()] == [0, 4, 25]


def test_how_far_a_batch_is_is_told_while_it_is_done_and_closing_ends_its_processes() -> None:
    told: list[float] = []
    work = square([Number(value=1, text="slowly"), Number(value=2, text="hang")], batch=1, told=told.append)
    next(work)
    assert any(0 < part < 1 for part in told)
    begun = time.monotonic()
    work.close()
    assert time.monotonic() - begun < 30, "what hangs is not waited for"


def test_only_what_another_process_can_find_by_its_name_is_done() -> None:
    with pytest.raises(ValueError, match="not a function of a module"):
        map_batches(lambda rows: rows, [], takes=Number, gives=Number)
    with pytest.raises(NotFound, match="no row runner 'rey'"):
        square([], runner="rey")


def test_a_package_brings_a_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(task: Any, batches: Any, limits: Limits, *, ordered: bool, told: Any) -> Iterator[Any]:
        yield from (batch.number for batch in batches)

    monkeypatch.setitem(RUNNERS.parts, "elsewhere", elsewhere)
    assert list(square([Number(value=1)] * 5, batch=2, runner="elsewhere")) == [0, 1, 2]


def test_what_is_set_aside_comes_back_lost_first_and_in_order(tmp_path: Path) -> None:
    aside = Aside(tmp_path)
    for number in range(10):
        aside.add(f"row {number}", "because", "\udcff" + "x" * 30_000, lost=number % 3 == 0)
    assert [int(row.where[4:]) for row in aside.rows()] == [0, 3, 6, 9, 1, 2, 4, 5, 7, 8]
    assert (len(aside), aside.lost) == (10, 4) and {len(row.row) for row in aside.rows()} == {20_000}
    aside.drop()
    assert not aside and not list(aside.rows()) and not list(tmp_path.iterdir())


def test_what_was_seen_is_known_with_its_first_place(tmp_path: Path) -> None:
    with Seen(tmp_path / "seen") as seen:
        assert seen.add("a", "line 1") and not seen.add("a", "line 2") and seen.add("\ud800")
        assert (seen.note("a"), seen.note("b"), "a" in seen, "b" in seen) == ("line 1", "", True, False)
    assert not list(tmp_path.iterdir())


# -- memory: what is held does not grow with the rows ------------------------------------------------------------------


def examples(count: int) -> Iterator[Example]:
    for number in range(count):
        said = [Message(role="user", content=f"Question {number}?"), Message(role="assistant", content="An answer.")]
        yield Example(id=f"{number:016x}", messages=said, sources=[Source(chunk=f"chunk {number // 2}")])


def reject(ctx: Any, folder: Path, count: int) -> None:
    from tuneloop.execution import RunContext, seal
    from tuneloop.runner import Workspace

    run = RunContext(Workspace(folder), "run", "k" * 32)
    run.out.mkdir(parents=True)
    for number in range(count):
        run.reject(f"row {number}", "because", "x" * 500, lost=number % 2 == 0)
    seal(run, "import", {})


def split(ctx: Any, folder: Path, count: int) -> None:
    from tuneloop.dataset.split import Split

    (folder / "data").mkdir()
    write_rows(folder / "data" / "examples.parquet", Example, examples(count))
    Split(dataset=ctx.add("dataset", folder / "data", {"examples": count})).run(ctx)


def bring(ctx: Any, folder: Path, count: int) -> None:
    from tuneloop.dataset.importing import ImportDataset

    class Import(ImportDataset):
        def understand(self, table: Any) -> Any:
            found = super().understand(table)
            tracemalloc.reset_peak()  # the beginning of a file that is looked at is as long, and hides what is held
            return found

    lines = (f'{{"question": "What is {number}?", "answer": "A number."}}\n' for number in range(count))
    with (folder / "rows.jsonl").open("w") as file:
        file.writelines(lines)
    Import(file=str(folder / "rows.jsonl")).run(ctx)


def prepare(ctx: Any, folder: Path, count: int) -> None:
    from tuneloop.train.heldout import Documents
    from tuneloop.train.lesson import Lesson
    from tuneloop.train.lessons import Lessons
    from tuneloop.train.packing import plan_steps

    lessons, documents = Lessons(folder), Documents(7)
    for example in examples(count):
        lessons.add(Lesson(example.id, "dataset:1", list(range(40)), [True] * 40, "text " * 20))
        documents.add(example.id, [])
    documents.held_out(0.05)
    plan_steps(lessons.tokens, epochs=3, capacity=1024, seed=7)


@pytest.mark.parametrize("work", [reject, split, bring, prepare])
def test_more_rows_take_no_more_memory(ctx: Any, tmp_path: Path, work: Callable[..., None]) -> None:
    peaks: list[int] = []
    for count in (2500, 2500, 12_500):  # the first time, modules are imported
        folder = tmp_path / f"{len(peaks)}"
        folder.mkdir()
        tracemalloc.start()
        work(ctx, folder, count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Beside what is flat: 100 bytes a row for numbers, which a million rows may have.
    assert peaks[2] < 1.2 * peaks[1] + 100 * 10_000
