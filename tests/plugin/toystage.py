"""A stage in a package of its own, as a user would write one: it counts slowly, and continues where it was."""

import logging
import math
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, ClassVar

from pydantic import Field

from tuneloop.errors import TuneloopError
from tuneloop.stage import Context, DocumentsRef, Kind, Resources, Stage


class Count(Stage):
    """Count to a number, slowly."""

    name: ClassVar[str] = "count"
    makes: ClassVar[Kind] = "documents"
    positional: ClassVar[tuple[str, ...]] = ("to",)
    to: int = Field(description="Where to stop.")
    pause: float = Field(0.01, description="Seconds between numbers.")
    trouble: str = Field("", description="What goes wrong half-way: user, bug, kill, disk, row TEXT.")
    helpers: int = Field(0, description="Processes that each hold 50 MiB while it counts.")
    whole: bool = Field(False, description="It takes all cores that there are.")
    after: DocumentsRef | None = Field(None, description="A count to add to.")

    def run(self, ctx: Context) -> dict[str, Any]:
        hold = "x = bytearray(b'x') * (50 * 2**20); print(flush=True); input()"
        helpers = [Popen([sys.executable, "-c", hold], stdin=PIPE, stdout=PIPE) for _ in range(self.helpers)]
        for helper in helpers:
            assert helper.stdout and helper.stdout.readline()
        path = ctx.checkpoint("numbers")
        have = path.read_text().split() if path.exists() else []
        for number in range(len(have), self.to):
            if number == self.to // 2 and self.trouble:
                self.fail(ctx)
            time.sleep(self.pause)
            with path.open("a") as file:
                file.write(f"{number} ")
            if log := os.environ.get("TOY_LOG"):
                with Path(log).open("a") as file:
                    file.write(f"{self.to}:{number}\n")
            ctx.progress(number + 1, self.to, "numbers")
            ctx.metric("square", number**2, step=number)
        for helper in helpers:
            helper.communicate(b"\n")
        ctx.reject("row 1", "it is odd", {"number": 1})
        (ctx.out / "numbers.txt").write_text(path.read_text())
        return {"numbers": self.to}

    def needed(self, path: Callable[[str], Path]) -> Resources:
        return Resources(cores=math.inf if self.whole else 1.0, memory=0)

    def fail(self, ctx: Context) -> None:
        if self.trouble == "user":
            raise TuneloopError("the numbers ran out", where="numbers.txt:5", hint="Bring more.")
        if self.trouble == "bug":
            raise ZeroDivisionError("oops")
        if self.trouble.startswith("row "):
            warnings.warn(f"odd: {self.trouble}", stacklevel=1)
            logging.getLogger("of.somebody").error("cannot read %s", self.trouble)
            raise KeyError(self.trouble)
        if self.trouble == "disk":
            Path("/dev/full").write_text("x" * 100_000)
        os.kill(os.getpid(), 9)
