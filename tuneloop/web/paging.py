"""A list that is longer than a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request, Response

from tuneloop.store.listing import Page
from tuneloop.store.part import Count, Part

SIZE = 50  # rows of a page
FARTHEST = 10**9  # rows: no database counts from further


@dataclass(frozen=True)
class Leafing:
    """Where a part of a list stands in it, and the links to what is newer and older."""

    path: str
    query: Mapping[str, str]  # what is searched for, which the links keep
    part: Part

    @property
    def before(self) -> str:
        return self.link(self.part.newer) if self.part.newer else ""

    @property
    def after(self) -> str:
        return self.link(self.part.older) if self.part.older else ""

    @property
    def numbers(self) -> tuple[int, int, Count] | None:
        """The numbers, from 1, of the first and the last row shown, and how many there are; ``None`` where that is not
        known, for rows are not counted without end."""
        part = self.part
        if not isinstance(part, Page) or not part.rows or part.before.more:
            return None
        return part.before.number + 1, part.before.number + len(part.rows), part.count

    def link(self, cursor: str) -> str:
        asked = {name: value for name, value in self.query.items() if value}
        return self.path + (f"?{urlencode(asked | ({'cursor': cursor} if cursor else {}))}" if asked or cursor else "")


def address_of(request: Request, **changed: str | int) -> str:
    """The address that was called, without the host, with other parameters; a cursor takes the place of an offset."""
    url = request.url.remove_query_params("offset").include_query_params(**changed)
    return f"{url.path}?{url.query}"


def link_on(request: Request, response: Response, part: Part) -> None:
    """Say in the header ``Link`` where a list goes on, and where it came from. Source: RFC 8288."""
    ways = (("next", part.older), ("prev", part.newer))
    links = [f'<{address_of(request, cursor=cursor)}>; rel="{way}"' for way, cursor in ways if cursor]
    if links:
        response.headers["Link"] = ", ".join(links)


@dataclass(frozen=True)
class Paging:
    """Which page of how many rows of one artifact's table, which never changes, and the links to its neighbours."""

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
