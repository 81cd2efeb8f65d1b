"""Numbers as people read them, in their language."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.language import _, aside, joined, shown, strung


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


def span(seconds: float) -> str:
    """``75`` as ``1:15``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def took(seconds: float) -> str:
    """How long a run was: ``2.5 s`` or ``1:15``."""
    return span(seconds) if seconds >= 60 else f"{seconds:.1f} s"


def quantity(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def amount(done: float, total: float | None, unit: str) -> str:
    """How much of how much; bytes in units that people read."""
    if unit == "B":
        return f"{size(done)}/{size(total)}" if total else size(done)
    return f"{quantity(done)}/{quantity(total)} {unit}".strip() if total else f"{quantity(done)} {unit}".strip()


def progressed(progress: dict[str, Any], now: float) -> str:
    """One line: phase, how much of how much, rate, remaining time."""
    done, total = progress.get("done") or 0, progress.get("total")
    unit, phase = progress.get("unit") or "", progress.get("phase") or ""
    unit, phase = _(unit), shown(phase)
    parts = [phase] if phase else []
    if done or total:
        parts.append(amount(done, total, unit))
    elapsed, new = now - progress.get("since", now), done - (progress.get("start") or 0)
    if new > 0 and elapsed > 1:
        rate = new / elapsed
        parts.append(f"{size(rate)}/s" if unit == "B" else f"{rate:,.1f} {unit}/s" if unit else f"{rate:,.1f}/s")
        if total and total > done:
            parts.append(_("{time} left").format(time=span((total - done) / rate)))
    return " · ".join(parts)
