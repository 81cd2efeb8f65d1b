"""Numbers as people read them, in their language."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.language import _, aside, joined, strung


def count(value: Any) -> str:
    return "–" if value is None else f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"


def share(value: Any) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def seconds(value: Any) -> str:
    return "–" if value is None else f"{1000 * value:.0f} ms" if value < 1 else f"{value:.2f} s"


def size(count: float) -> str:
    """Bytes as people read them: ``51.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def interval(ends: Sequence[float] | None, form: str = "{:+.3f}") -> str:
    return _("{low} to {high}").format(low=form.format(ends[0]), high=form.format(ends[1])) if ends else _("not known")


def most_frequent(counts: dict[str, int], most: int = 6) -> str:
    """``md 3, pdf 1``: the most frequent first."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    rest = [_("and {count} more").format(count=len(ordered) - most)] if len(ordered) > most else []
    return joined([*(f"{name} {count(n)}" for name, n in ordered[:most]), *rest])


def decimal(value: Any, form: str = ".3f") -> str:
    """A number with its digits; ``–`` where it is not known."""
    return format(value, form) if isinstance(value, (int, float)) else "–"


def arrow(*named: tuple[str, float | None]) -> str:
    """``4.120 → 2.310 (first step → last)``, of those that are known."""
    known = [(name, f"{value:.3f}") for name, value in named if value is not None]
    names, values = (" → ".join(part) for part in zip(*known, strict=True)) if known else ("", "")
    return values + aside(names)


def cut(text: str, length: int = 120) -> str:
    """A text from somewhere else as part of one line."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))  # never an order to the terminal
    return text if len(text) <= length else text[: length - 1] + "…"


def part(written: Mapping[str, Any]) -> str:
    """A part that was chosen, with its fields: ``rslora (rank 8; dropout 0.0)``."""
    fields = strung(f"{_(key.replace('_', ' '))} {value}" for key, value in written.items() if key != "name")
    return str(written.get("name", "")) + (aside(fields) if fields else "")
