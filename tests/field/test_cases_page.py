"""The page of cases names tests that there are."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_every_case_that_is_right_names_tests_that_there_are() -> None:
    page = (TESTS.parent / "docs" / "design" / "cases.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|") and not line.startswith(("| Case", "|---"))]
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert named or "**no**" in row, row
        for file, test in named:
            assert f"def {test}(" in (TESTS / file).read_text(encoding="utf-8"), f"{file}::{test}"
    assert len(rows) == 36
