"""What a notebook shows: a small table for what was made, and a line that says how far a run is.

IPython is not imported for this: a notebook has loaded it already, and elsewhere nothing is shown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from html import escape
from importlib import import_module
from typing import Any

from tuneloop.language import _, current_language
from tuneloop.telling import cut, progressed, took

EVERY = 0.5  # seconds between two states of the line
LONGEST = 200  # characters of a value
LEFT = ' style="text-align:left"'
LANG = {"zh": "zh-CN"}


def card(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A title and labels with their values as HTML; what is empty has no row. All of it is text, whatever it holds."""
    lines = "".join(
        f"<tr><th{LEFT}>{escape(label)}</th><td{LEFT}>{escape(cut(str(value), LONGEST))}</td></tr>"
        for label, value in rows
        if value
    )
    lang = LANG.get(current_language(), current_language())
    return f'<div lang="{lang}"><b>{escape(cut(title, LONGEST))}</b><table>{lines}</table></div>'


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; a terminal with IPython is none."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class Line:
    """A line below the cell, rewritten as a run goes on. ``watch`` takes the runner's reports."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.shown, self.at = "", 0.0

    def watch(self, report: dict[str, Any]) -> None:
        now = time.time()
        if now - self.at < EVERY:
            return
        said = progressed(report["progress"] or {}, now)
        self.show(" · ".join(filter(None, (report["stage"], said))))
        self.at = now

    def end(self, stage: str, state: str, seconds: float) -> None:
        """Say how it ended, where anything was said before."""
        if self.handle is not None:
            self.show(" · ".join((stage, _(state), took(seconds))))

    def show(self, text: str) -> None:
        if text == self.shown:
            return
        self.shown, bundle = text, {"text/plain": text}
        if self.handle is None:
            self.handle = import_module("IPython.display").display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)


def line() -> Line | None:
    """A line for a run; ``None`` outside of a notebook."""
    return Line() if in_notebook() else None
