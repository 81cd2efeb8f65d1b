"""Charts: themed by the page that they stand in, and plain where they are a file."""

import re
from xml.etree import ElementTree

import pytest

from tuneloop.charts import FILE, PAGE, axis, dark_style, interval_chart, line_chart, ticks

CURVES = {"training loss": [(float(n), 2 / (n + 1)) for n in range(20)], "validation loss": [(0.0, 2.0), (19.0, 0.5)]}
ROWS = [("a", 0.2, 0.1, 0.3, "better"), ("中文", -0.1, -0.2, -0.01, "worse"), ("b", 0.0, None, None, "?")]


@pytest.mark.parametrize(
    "drawn", [line_chart(CURVES, x_title="step", y_title='"loss"'), interval_chart(ROWS, title="t")]
)
def test_a_chart_in_a_page_has_no_colour_or_style_of_its_own(drawn: str) -> None:
    ElementTree.fromstring(drawn)
    assert "<style" not in drawn and " style=" not in drawn  # which the policy of the console refuses
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn)) - {"none"}
    assert colours <= set(vars(PAGE).values()) and len(colours) >= 4
    assert all(colour == "currentColor" or colour.startswith("var(--") for colour in colours)


def test_a_chart_of_a_file_has_plain_colours_and_dark_ones() -> None:
    drawn = line_chart(CURVES, x_title="step", y_title="loss", colours=FILE)
    assert "var(" not in drawn and FILE.first in drawn
    style = dark_style("load", [FILE.ink, FILE.first])
    assert style.count("svg.load") == 4 and "prefers-color-scheme:dark" in style


@pytest.mark.parametrize("largest", [0.0004, 0.3, 1, 7.3, 99, 1e6])
def test_ticks_and_axes_are_the_same_round_numbers(largest: float) -> None:
    up = axis(largest)
    assert up[0] == 0 and up[-1] >= largest and up[-2] < max(largest, 1e-3)
    inside = ticks(0, largest)
    assert 3 <= len(inside) <= 7 and inside[0] >= 0 and inside[-1] <= largest * 1.001


def test_ticks_below_and_around_zero() -> None:
    assert ticks(-0.3, 0.3) == [-0.2, 0, 0.2] and ticks(2, 2) == [2, 2.2, 2.4, 2.6, 2.8, 3]
