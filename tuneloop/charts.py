"""Charts as SVG text: axes, marks and legends, and the two kinds that pages show.

A chart needs no network, no script and no font of its own. One inside a page takes the page's colours (``PAGE``): CSS
variables, with a colour for a page that has none, and ``currentColor`` for what is written. They are attributes, since
the console's policy lets no style in. One in a file of its own (``FILE``) has plain colours, so that any program can
draw it, and ``DARK`` in their place where whoever looks prefers a dark page.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from xml.sax.saxutils import escape

Point = tuple[float, float]
FACTORS = (1, 2, 2.5, 5, 10)  # a step between ticks is one of these times a power of ten
ATTRIBUTE = {'"': "&quot;"}


@dataclass(frozen=True)
class Palette:
    """The colours of a chart, by what they are for."""

    ink: str  # what is read
    soft: str  # numbers, titles, what is neither good nor bad
    line: str  # the grid
    paper: str
    first: str  # of two curves
    second: str
    good: str
    bad: str


FILE = Palette("#222b36", "#566370", "#d8dde3", "#ffffff", "#1f6fb2", "#b8650f", "#0e7350", "#c0392b")
DARK = Palette("#e6ebf0", "#a3b0bd", "#2b3642", "#151c23", "#6cb2ff", "#f0b35a", "#4fd0a3", "#ff8576")
PAGE = Palette(
    "currentColor", f"var(--soft,{FILE.soft})", f"var(--line,{FILE.line})", f"var(--paper,{FILE.paper})",
    f"var(--accent,{FILE.first})", f"var(--warn,{FILE.second})", f"var(--good,{FILE.good})", f"var(--bad,{FILE.bad})",
)  # fmt: skip


def dark_style(name: str, colours: Sequence[str]) -> str:
    """The style of a file of class ``name``: where a dark page is preferred, the dark ones of these colours."""
    dark = dict(zip(asdict(FILE).values(), asdict(DARK).values(), strict=True))
    rules = "".join(f'svg.{name} [{a}="{c}"]{{{a}:{dark[c]}}}' for c in colours for a in ("fill", "stroke"))
    return f"<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>"


# -- axes ----------------------------------------------------------------------------------------------------------


def step_of(span: float, count: int) -> float:
    """The smallest round number of which at most about ``count`` cover ``span``, which is above 0."""
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in FACTORS if factor * power >= raw * 0.999999)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between ``low`` and ``high``."""
    step = step_of(high - low if high > low else 1.0, count)
    last, first = max(high, low + (high <= low)), math.ceil(low / step - 1e-6)
    return [round((first + n) * step, 10) for n in range(count + 3) if (first + n) * step <= last + step / 1000]


def axis(largest: float) -> list[float]:
    """Ticks from 0 to the first round number that is not below ``largest``."""
    largest = max(largest, 1e-3)
    step = step_of(largest, 5)
    return [round(step * n, 9) for n in range(math.ceil(largest / step - 1e-6) + 1)]


def place(value: float, first: float, last: float, low: float, high: float) -> float:
    """Where a value is drawn, between ``low`` and ``high``, on an axis from ``first`` to ``last``."""
    return low + (high - low) * (value - first) / ((last - first) or 1.0)


# -- what is drawn -------------------------------------------------------------------------------------------------


def text(
    x: float, y: float, words: str, fill: str, *, size: int = 12, weight: int = 400, anchor: str = "start",
    more: str = "",
) -> str:  # fmt: skip
    """``more``: further attributes."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"{more} '
        f'fill="{fill}">{escape(words)}</text>'
    )


def line(x1: float, y1: float, x2: float, y2: float, stroke: str, more: str = "") -> str:
    a, b, c, d = (f"{value:.1f}" if isinstance(value, float) else value for value in (x1, y1, x2, y2))
    return f'<line x1="{a}" y1="{b}" x2="{c}" y2="{d}" stroke="{stroke}"{more}/>'


def turned(x: float, y: float) -> str:
    """Attributes of a text that is read from below upwards."""
    return f' transform="rotate(-90 {x:g} {y})"'


def width_of(words: str) -> int:
    """About how wide words are, in pixels, at 12 to 13 pixels."""
    return sum(13 if ord(c) > 0x2E80 else 7 for c in words)


def legend(x: float, y: float, marks: Sequence[tuple[str, str]], fill: str) -> list[str]:
    """Marks, each drawn around 0, with what they mean behind them, in one row."""
    parts = []
    for mark, words in marks:
        parts += [f'<g transform="translate({x:.0f} {y:.0f})">{mark}</g>', text(x + 10, y, words, fill)]
        x += 34 + width_of(words)
    return parts


def opening(width: int, height: int, label: str) -> str:
    """The beginning of a chart inside a page, as wide as there is room."""
    label = escape(label, ATTRIBUTE)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="100%" class="chart" role="img" aria-label="{label}" '
        f'font-family="inherit" fill="none">'
    )


# -- the two kinds that pages show ---------------------------------------------------------------------------------


def smooth(points: Sequence[Point], weight: float = 0.85) -> list[Point]:
    """An exponential moving average, corrected for its start."""
    found, average, norm = [], 0.0, 0.0
    for x, y in points:
        average, norm = weight * average + (1 - weight) * y, weight * norm + (1 - weight)
        found.append((x, average / norm))
    return found


def line_chart(
    curves: dict[str, Sequence[Point]], *, x_title: str, y_title: str, width: int = 720, height: int = 280,
    colours: Palette = PAGE,
) -> str:  # fmt: skip
    """At most two named curves over one pair of axes. The first is drawn faint with its moving average over it."""
    left, right, top, bottom = 56, width - 16, 14, height - 44
    every = [p for points in curves.values() for p in points]
    if not every:
        return ""
    x_low, x_high = min(p[0] for p in every), max(p[0] for p in every)
    y_low, y_high = min(0.0, min(p[1] for p in every)), max(p[1] for p in every) * 1.05

    def at(point: Point) -> Point:
        return place(point[0], x_low, x_high, left, right), place(point[1], y_low, y_high, bottom, top)

    parts = [opening(width, height, y_title)]
    for value in ticks(y_low, y_high):
        y = at((x_low, value))[1]
        parts += [
            line(left, y, right, y, colours.line),
            text(left - 8, y + 4, f"{value:g}", colours.soft, anchor="end"),
        ]
    for value in ticks(x_low, x_high, 6):
        parts.append(text(at((value, y_low))[0], bottom + 18, f"{value:g}", colours.soft, anchor="middle"))
    for number, (name, points) in enumerate(curves.items()):
        colour = (colours.first, colours.second)[number % 2]
        if number == 0 and len(points) > 8:
            parts.append(curve(list(map(at, points)), colour, ' opacity="0.3" stroke-width="1.2" class="raw"'))
            points = smooth(points)
        parts.append(curve(list(map(at, points)), colour, ' stroke-width="2" class="line"'))
        y = top + 14 + 18 * number
        parts.append(f'<rect x="{right - 150}" y="{y - 9}" width="12" height="4" fill="{colour}"/>')
        parts.append(text(right - 132, y - 3, name, colours.ink, size=13, more=' class="legend"'))
    middle = (top + bottom) / 2
    parts.append(text((left + right) / 2, height - 8, x_title, colours.soft, anchor="middle"))
    parts.append(text(14, middle, y_title, colours.soft, anchor="middle", more=turned(14, middle)))
    return "".join(parts) + "</svg>"


def curve(points: Sequence[Point], stroke: str, more: str) -> str:
    path = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
    return f'<path d="{path}" fill="none" stroke="{stroke}"{more}/>'


def interval_chart(
    rows: Sequence[tuple[str, float, float | None, float | None, str]], *, title: str, width: int = 720,
    colours: Palette = PAGE,
) -> str:  # fmt: skip
    """A forest plot: for each row its label, difference, the two ends of its interval, if any, and its colour.

    The colour is what the difference shows: ``better``, ``worse``, or anything else for neither.
    """
    left, right = max([130, *(24 + width_of(row[0]) for row in rows)]), width - 170
    top, step = 12, 34
    bottom = top + step * len(rows)
    height = bottom + 44
    values = [0.0, *(value for row in rows for value in row[1:4] if value is not None)]
    pad = ((max(values) - min(values)) or 1) * 0.08
    low, high = min(values) - pad, max(values) + pad

    def at(value: float) -> float:
        return place(value, low, high, left, right)

    parts = [opening(width, height, title)]
    for value in ticks(low, high):
        parts.append(line(at(value), top, at(value), bottom, colours.line))
        parts.append(text(at(value), bottom + 18, f"{value:+g}" if value else "0", colours.soft, anchor="middle"))
    parts.append(line(at(0), top, at(0), bottom, colours.soft, ' stroke-dasharray="4 3"'))
    for number, (label, value, start, end, said) in enumerate(rows):
        y = top + step * number + step / 2
        kind = said if said in ("better", "worse") else "unclear"
        colour, told = {"better": colours.good, "worse": colours.bad}.get(kind, colours.soft), f"{value:+z.3f}"
        if start is not None and end is not None:
            more = f' stroke-width="3" stroke-linecap="round" class="bar {kind}"'
            parts.append(line(at(start), y, at(end), y, colour, more))
            told += f" [{start:+z.3f}, {end:+z.3f}]"
        parts.append(f'<circle cx="{at(value):.1f}" cy="{y}" r="5" fill="{colour}" class="dot {kind}"/>')
        parts.append(text(left - 12, y + 4, label, colours.ink, size=13, anchor="end", more=' class="legend"'))
        parts.append(text(right + 12, y + 4, told, colours.soft))
    parts.append(text((left + right) / 2, height - 6, title, colours.soft, anchor="middle"))
    return "".join(parts) + "</svg>"
