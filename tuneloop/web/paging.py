"""A list that is longer than a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

SIZE = 50  # rows of a page
FARTHEST = 10**9  # rows: no database counts from further


@dataclass(frozen=True)
class Paging:
    """Which page of how many rows, and the links to its neighbours."""

    path: str
    query: Mapping[str, str]  # what is searched for, which the links keep
    page: int  # from 1
    count: int = 0
    size: int = SIZE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // self.size))

    @property
    def first(self) -> int:
        """Number of the first row shown, from 1; 0 where there is none."""
        return min(self.offset + 1, self.count)

    @property
    def last(self) -> int:
        return min(self.offset + self.size, self.count)

    def link(self, page: int) -> str:
        asked = {name: value for name, value in self.query.items() if value and name != "page"}
        if page > 1:
            asked["page"] = str(page)
        return self.path + (f"?{urlencode(asked)}" if asked else "")


def page_number(query: Mapping[str, str]) -> int:
    """The page that ``?page=`` names, from 1; the first where it is no number."""
    text = query.get("page", "")
    return max(1, min(int(text), FARTHEST // SIZE)) if text.isascii() and text.isdigit() and len(text) < 12 else 1
