"""Two small charts as SVG text, for a page that opens without a network."""

from collections.abc import Sequence
from html import escape

Point = tuple[float, float]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover ``low`` to ``high``."""
    if high <= low:
        high = low + 1
    raw = (high - low) / count
    size = 10.0 ** len(str(int(raw))) / 10 if raw >= 1 else 10.0**-6
    while size * 10 <= raw:
        size *= 10
    step = next(s * size for s in (1, 2, 2.5, 5, 10, 20, 50) if s * size >= raw)
    first = int(low // step)
    return [round((first + n) * step, 10) for n in range(count + 3) if low <= (first + n) * step <= high + step / 1000]


def text(x: float, y: float, label: str, anchor: str = "middle", kind: str = "tick") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(label)}</text>'


def smooth(points: Sequence[Point], weight: float = 0.85) -> list[Point]:
    """An exponential moving average, corrected for its start."""
    found, average, norm = [], 0.0, 0.0
    for x, y in points:
        average, norm = weight * average + (1 - weight) * y, weight * norm + (1 - weight)
        found.append((x, average / norm))
    return found


def line_chart(
    curves: dict[str, Sequence[Point]], *, x_title: str, y_title: str, width: int = 720, height: int = 280
) -> str:
    """Named curves over one pair of axes. The first is drawn faint with its moving average over it."""
    left, right, top, bottom = 56, 16, 14, 44
    every = [p for points in curves.values() for p in points]
    if not every:
        return ""
    x_low, x_high = min(p[0] for p in every), max(p[0] for p in every)
    y_low, y_high = min(0.0, min(p[1] for p in every)), max(p[1] for p in every) * 1.05

    def place(point: Point) -> tuple[float, float]:
        x = left + (point[0] - x_low) / ((x_high - x_low) or 1) * (width - left - right)
        return x, height - bottom - (point[1] - y_low) / ((y_high - y_low) or 1) * (height - top - bottom)

    parts = [f'<svg viewBox="0 0 {width} {height}" class="chart" role="img" aria-label="{escape(y_title)}">']
    for value in ticks(y_low, y_high):
        y = place((x_low, value))[1]
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(text(left - 8, y + 4, f"{value:g}", "end"))
    parts += [text(place((v, y_low))[0], height - bottom + 18, f"{v:g}") for v in ticks(x_low, x_high, 6)]
    for number, (name, points) in enumerate(curves.items()):
        shapes = [(points, "raw"), (smooth(points), "line")] if number == 0 and len(points) > 8 else [(points, "line")]
        for shape, kind in shapes:
            path = " ".join(f"{'M' if i == 0 else 'L'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(map(place, shape)))
            parts.append(f'<path d="{path}" class="{kind} c{number}"/>')
        y = top + 14 + 18 * number
        parts.append(f'<rect x="{width - right - 150}" y="{y - 9}" width="12" height="4" class="key c{number}"/>')
        parts.append(text(width - right - 132, y - 3, name, "start", "legend"))
    parts.append(text((left + width - right) / 2, height - 8, x_title, kind="title"))
    parts.append(
        f'<g transform="translate(14 {(top + height - bottom) / 2}) rotate(-90)">'
        f"{text(0, 0, y_title, kind='title')}</g>"
    )
    return "".join(parts) + "</svg>"


def interval_chart(
    rows: Sequence[tuple[str, float, float | None, float | None, str]], *, title: str, width: int = 720
) -> str:
    """A forest plot: for each row its label, difference, the two ends of its interval, if any, and its colour.

    The colour is what the difference shows: ``better``, ``worse``, or anything else for neither.
    """
    left = max([130, *(24 + sum(13 if ord(c) > 0x2E80 else 7 for c in row[0]) for row in rows)])
    right, top, step = 150, 12, 34
    height = top + step * len(rows) + 44
    values = [0.0, *(value for row in rows for value in row[1:4] if value is not None)]
    low, high = min(values), max(values)
    pad = (high - low or 1) * 0.08
    low, high = low - pad, high + pad

    def at(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - right)

    bottom = top + step * len(rows)
    parts = [f'<svg viewBox="0 0 {width} {height}" class="chart" role="img" aria-label="{escape(title)}">']
    for value in ticks(low, high):
        parts.append(f'<line x1="{at(value):.1f}" x2="{at(value):.1f}" y1="{top}" y2="{bottom}" class="grid"/>')
        parts.append(text(at(value), bottom + 18, f"{value:+g}" if value else "0"))
    parts.append(f'<line x1="{at(0):.1f}" x2="{at(0):.1f}" y1="{top}" y2="{bottom}" class="zero"/>')
    for number, (label, value, start, end, said) in enumerate(rows):
        y = top + step * number + step / 2
        kind, told = said if said in ("better", "worse") else "unclear", f"{value:+z.3f}"
        if start is not None and end is not None:
            parts.append(f'<line x1="{at(start):.1f}" x2="{at(end):.1f}" y1="{y}" y2="{y}" class="bar {kind}"/>')
            told += f" [{start:+z.3f}, {end:+z.3f}]"
        parts.append(f'<circle cx="{at(value):.1f}" cy="{y}" r="5" class="dot {kind}"/>')
        parts.append(text(left - 12, y + 4, label, "end", "legend"))
        parts.append(text(width - right + 12, y + 4, told, "start", "tick"))
    parts.append(text((left + width - right) / 2, height - 6, title, kind="title"))
    return "".join(parts) + "</svg>"
