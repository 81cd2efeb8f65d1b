"""The picture of a load test: one SVG file, light or dark as whoever looks prefers."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from tuneloop import charts
from tuneloop.charts import FILE, axis, dark_style
from tuneloop.language import _
from tuneloop.loadtest.generator import Request

WIDTH, HEIGHT, LEFT, GAP = 860, 620, 76, 92
PANEL = 204  # height of the drawing area of each of the two panels
TOPS = (70, 70 + PANEL + GAP)
RIGHT = WIDTH - 24
BLUE, ORANGE, RED, GREY, INK, PAPER, SOFT = (
    FILE.first, FILE.second, FILE.bad, FILE.line, FILE.ink, FILE.paper, FILE.soft,
)  # fmt: skip


def chart(rows: Sequence[Request], title: str) -> str:
    """SVG text: above, each request's latency at its intended start; below, the share of first tokens by time."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'class="load" role="img" font-family="system-ui, \'Noto Sans CJK SC\', \'PingFang SC\', sans-serif">',
        f"<title>{escape(title)}</title>",
        dark_style("load", (BLUE, ORANGE, RED, GREY, INK, PAPER, SOFT)),
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{PAPER}"/>',
        text(LEFT, 28, title, size=16, weight=600),
        *over_time(rows, TOPS[0]),
        *first_tokens(rows, TOPS[1]),
        "</svg>\n",
    ]
    return "\n".join(parts)


def over_time(rows: Sequence[Request], top: int) -> list[str]:
    across = axis(max((r.scheduled for r in rows), default=1.0))
    up = axis(max((r.latency for r in rows), default=1.0))
    parts = frame(top, across, up, _("Intended start (seconds from the beginning)"), _("Seconds from intended start"))
    for row in rows:
        x = place(row.scheduled, across, LEFT, RIGHT)
        y = place(row.latency, up, top + PANEL, top)
        if row.state == "error":
            parts.append(cross(x, top + PANEL - 7))
            continue
        if row.state == "refused":
            parts.append(square(x, y))
            continue
        if row.time_to_first_token is not None:
            first = place(row.time_to_first_token, up, top + PANEL, top)
            parts.append(charts.line(x, first, x, y, GREY))
            parts.append(f'<circle cx="{x:.1f}" cy="{first:.1f}" r="3" fill="{ORANGE}"/>')
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{BLUE}"/>' if row.state == "ok" else triangle(x, y)
        )
    marks = [(f'<circle cx="0" cy="-4" r="4" fill="{BLUE}"/>', _("whole answer")),
             (f'<circle cx="0" cy="-4" r="4" fill="{ORANGE}"/>', _("first token"))]  # fmt: skip
    if any(row.state == "in_flight" for row in rows):
        marks.append((triangle(0, -4), _("not ended at the deadline")))
    if any(row.state == "refused" for row in rows):
        marks.append((square(0, -4), _("refused: no model was asked")))
    if any(row.state == "error" for row in rows):
        marks.append((cross(0, -4), _("failed")))
    return [*parts, *charts.legend(LEFT + 4.0, top - 14, marks, INK)]


def first_tokens(rows: Sequence[Request], top: int) -> list[str]:
    """The share of requests whose first token had come; it stays below 100% where some still waited for one."""
    counted = [r for r in rows if r.state in ("ok", "in_flight")]
    times = sorted(r.time_to_first_token for r in counted if r.time_to_first_token is not None)
    across, up = axis(times[-1] if times else 1.0), [0.0, 0.25, 0.5, 0.75, 1.0]
    left_out = _("Share of requests (failed ones left out)")
    if any(r.state == "refused" for r in rows):
        left_out = _("Share of requests (without failed and refused)")
    parts = frame(top, across, up, _("Time to first token (seconds)"), left_out, percent=True)
    if not counted:
        none = _("No answer of a model to show")
        return [*parts, text((LEFT + RIGHT) / 2, top + PANEL / 2, none, size=14, anchor="middle")]
    path, total = [f"M{LEFT},{top + PANEL}"], max(1, len(counted))
    for number, value in enumerate(times, 1):
        path.append(f"H{place(value, across, LEFT, RIGHT):.1f}V{place(number / total, up, top + PANEL, top):.1f}")
    parts.append(f'<path d="{"".join(path)}H{RIGHT}" fill="none" stroke="{ORANGE}" stroke-width="2"/>')
    for name, share in (("P50", 0.5), ("P95", 0.95)):
        rank = math.ceil(share * total - 1e-9)
        if times and rank <= len(times):
            value = times[rank - 1]
            x = place(value, across, LEFT, RIGHT)
            end = x > RIGHT - 110
            parts.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + PANEL}" stroke="{INK}" '
                         'stroke-dasharray="3 4"/>')  # fmt: skip
            low = top + PANEL - (12 if name == "P50" else 30)
            parts.append(
                text(x - 6 if end else x + 6, low, f"{name} {duration(value)}", anchor="end" if end else "start")
            )
    return parts


def frame(
    top: int, across: list[float], up: list[float], below: str, beside: str, *, percent: bool = False
) -> list[str]:
    """Grid, numbers and titles of one panel."""
    parts, bottom = [], top + PANEL
    for value in up:
        y = place(value, up, bottom, top)
        parts.append(charts.line(LEFT, y, RIGHT, y, GREY))
        parts.append(text(LEFT - 8, y + 4, f"{value:.0%}" if percent else f"{value:g}", anchor="end"))
    for value in across:
        x = place(value, across, LEFT, RIGHT)
        parts.append(charts.line(x, bottom, x, bottom + 5, INK))
        parts.append(text(x, bottom + 19, f"{value:g}", anchor="middle"))
    parts.append(text((LEFT + RIGHT) / 2, bottom + 40, below, anchor="middle"))
    middle = (top + bottom) / 2
    parts.append(text(20, middle, beside, anchor="middle", turn=charts.turned(20, middle)))
    return parts


def place(value: float, ticks: list[float], low: float, high: float) -> float:
    return charts.place(value, 0.0, ticks[-1], low, high)


def text(x: float, y: float, words: str, *, size: int = 12, weight: int = 400, anchor: str = "start", turn: str = ""):
    return charts.text(x, y, words, INK, size=size, weight=weight, anchor=anchor, more=turn)


def cross(x: float, y: float) -> str:
    return f'<path d="M{x - 4:.1f},{y - 4:.1f}l8,8m0,-8l-8,8" stroke="{RED}" stroke-width="2" fill="none"/>'


def square(x: float, y: float) -> str:
    where = f'x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"'
    return f'<rect {where} stroke="{SOFT}" fill="{PAPER}" stroke-width="1.5"/>'


def triangle(x: float, y: float) -> str:
    return f'<path d="M{x - 5:.1f},{y + 4:.1f}h10l-5,-9z" stroke="{BLUE}" fill="{PAPER}" stroke-width="1.5"/>'


def duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
