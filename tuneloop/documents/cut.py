"""Cuts a document into chunks: spans of its text that follow its structure and keep to a budget of tokens.

First the text becomes units that are not cut again: sentences, lines of code, rows of tables, headings. Units under one
heading form a group. Within a group the cuts are chosen all at once, as the cheapest way to cover it: a chunk costs, an
ill-filled one costs more, and a cut between paragraphs costs less than one between sentences. Small neighbouring groups
under the same parent become one; an article of a law (第X条) stays alone.

A chunk that begins in the middle of a list or a table has what its text does not say, the sentence that announces the
list or the head of the table, as the last of its headings, marked with ``… ``.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, pairwise

from tuneloop.documents.units import BEGINNINGS, Group, Unit, Units
from tuneloop.records import LEAD, Chunk, Document, PageSpan, Section, content_id
from tuneloop.rows import tell
from tuneloop.text.articles import ARTICLE
from tuneloop.text.sentences import block, spans
from tuneloop.text.tokens import estimate_tokens, token_weight

SMALL = 0.4  # of the budget, below which a group may be joined with its neighbour
CUT_COSTS = {"paragraph": 0.0, "item": 0.15, "sentence": 0.4, "announced": 0.8, "piece": 1.5, "headed": 4.0}
COSTS = [CUT_COSTS[begins] for begins in BEGINNINGS]
RULE = re.compile(r"\|(?: ?:?-+:? ?\|)+\Z")  # the line under the head of a table
CLAUSE = re.compile(r"[,，、;；:：)）\]】]+|\n|\s+")
LONGEST_LEAD = 300  # characters
NUMERAL = re.compile(r"[^\W_]+")
JOINT = re.compile(r"\s+|(?<=[^\x00-\x7f])|(?<=[,;:/&=|)\]}])")


def cut(document: Document, tokens: int, overlap: int) -> Iterator[Chunk]:
    """The chunks of a document, in order: none above ``tokens``, together covering all that is not space.

    A chunk begins with up to ``overlap`` tokens of whole sentences that end the chunk before it, where both stand under
    the same heading.
    """
    overlap = min(overlap, tokens // 2)
    for group in join_small(groups(document, tokens), 100 * tokens):
        bind(document.text, group.units)
        for first, after in cut_group(group, 100 * tokens, 100 * overlap):
            lead = lead_of(document.text, group.units, first)
            heading = [*group.heading, LEAD + lead] if lead else group.heading
            yield make_chunk(document, heading, group.units[first].start, group.units[after - 1].end)


def cut_all(documents: Sequence[Document], tokens: int, overlap: int) -> Iterator[Chunk]:
    """The chunks of several documents, in order: what ``map_batches`` does with a batch."""
    total, done = sum(len(document.text) for document in documents), 0
    for document in documents:
        for chunk in cut(document, tokens, overlap):
            tell(done + chunk.end, total)
            yield chunk
        done += len(document.text)


def make_chunk(document: Document, heading: list[str], start: int, end: int) -> Chunk:
    text = document.text[start:end]
    pages = list(page_spans(document.sections, start, end))
    return Chunk(
        id=content_id(document.id, f"{start}:{end}"),
        document=document.id,
        name=document.name,
        start=start,
        end=end,
        text=text,
        heading=heading,
        page=pages[0].page if pages else None,
        tokens=estimate_tokens(text),
        pages=pages,
        metadata=document.metadata,
        access=document.access,
    )


def page_spans(sections: list[Section], start: int, end: int) -> Iterator[PageSpan]:
    """Which characters of a span stand on which page; nothing where the document has no pages.

    What lies between two sections, such as an empty line, goes with the one before.
    """
    current: PageSpan | None = None
    for index in range(section_at(sections, start), len(sections)):
        section = sections[index]
        if section.start >= end:
            break
        if section.page is None or (current and current.page == section.page):
            continue
        if current:
            yield current.model_copy(update={"end": section.start})
        current = PageSpan(start=max(start, section.start) if current else start, end=end, page=section.page)
    if current:
        yield current


def section_at(sections: list[Section], position: int) -> int:
    """The number of the first section that ends behind a position, found by halving."""
    low, high = 0, len(sections)
    while low < high:
        middle = (low + high) // 2
        if sections[middle].end <= position:
            low = middle + 1
        else:
            high = middle
    return low


def groups(document: Document, tokens: int) -> Iterator[Group]:
    """Units by heading. A heading with nothing under it goes with what follows below it."""
    waiting: Group | None = None  # headings whose text has not yet come
    current: Group | None = None
    for section, units in section_units(document, 100 * tokens):
        if current is None or section.heading != current.heading:
            if current and current.units:
                yield current
            current = Group(section.heading)
            if waiting:
                if waiting.heading == section.heading[: len(waiting.heading)]:
                    current.units.extend(waiting.units)
                else:
                    yield waiting
                waiting = None
        current.units.extend(units)
        if section.kind == "heading":
            waiting, current = Group(current.heading, current.units), None
    if rest := current or waiting:
        yield rest


def section_units(document: Document, budget: int) -> Iterator[tuple[Section, Iterator[Unit]]]:
    """Each section with its units. Text that goes on over a page's end is one stretch for the sentence splitter."""
    sections, text = document.sections or [Section(start=0, end=len(document.text))], document.text
    index = 0
    while index < len(sections):
        first = last = sections[index]
        index += 1
        while index < len(sections) and goes_on(text, last, sections[index]):
            last = sections[index]
            index += 1
        following = sections[index].start if index < len(sections) else last.end
        yield first, units_of(text, first.kind, first.start, last.end, following, budget)


def goes_on(text: str, last: Section, following: Section) -> bool:
    return (
        (last.kind, last.heading) == (following.kind, following.heading)
        and last.kind == "text"
        and text[last.end : following.start].count("\n") < 2
    )


def units_of(text: str, kind: str, start: int, end: int, following: int, budget: int) -> Iterator[Unit]:
    """The units of one stretch, each small enough for the budget. ``following`` is where the next stretch begins."""
    ends = (max(following, end), end, "")
    for (begin, stop, begins), (after, _stop, more) in pairwise(chain(pieces_of(text, kind, start, end), [ends])):
        until = after if more else max(following, stop)
        if token_weight(text[begin:until]) <= budget:
            yield Unit(begin, stop, begins, token_weight(text[begin:until]), kind)
            continue
        for number, (part, part_stop) in enumerate(divide(text, begin, stop, budget - 50)):
            weight = token_weight(text[part:part_stop]) + 50  # for a line end, or for a word that was cut in two
            yield Unit(part, part_stop, "piece" if number else begins, weight, kind)


def pieces_of(text: str, kind: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Sentences of prose, rows of tables, a whole stretch of code: spans, and how each begins."""
    if kind in ("heading", "code"):
        yield start, end, "paragraph"
        return
    if kind == "table":
        for place, (begin, stop) in enumerate(lines_of(text, start, end)):
            yield begin, stop, "item" if place else "paragraph"
        return
    stop = start
    for begin, finish in spans(text[start:end]):
        begin, finish = start + begin, start + finish
        gap = text[stop:begin]
        if begin == start or gap.count("\n") > 1:
            begins = "paragraph"
        else:
            begins = "item" if "\n" in gap and block().match(text, begin) else "sentence"
        yield begin, finish, begins
        stop = finish


def lines_of(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    position = start
    for line in text[start:end].split("\n"):
        if line.strip():
            yield position, position + len(line)
        position += len(line) + 1


def divide(text: str, start: int, end: int, budget: int) -> list[tuple[int, int]]:
    """Cut a span that is above the budget: between lines, then clauses, then words, and at last anywhere."""
    for joint in ("\n", CLAUSE, JOINT):
        parts = list(split_at(text, start, end, joint))
        if len(parts) > 1:
            return [piece for part in pack(text, parts, budget) for piece in divided(text, part, budget)]
    middle = (start + end) // 2
    return [piece for part in ((start, middle), (middle, end)) for piece in divided(text, part, budget)]


def divided(text: str, part: tuple[int, int], budget: int) -> list[tuple[int, int]]:
    return [part] if token_weight(text[part[0] : part[1]]) <= budget else divide(text, *part, budget)


def split_at(text: str, start: int, end: int, joint: str | re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The parts of a span between joints, without space around them; other joints stay with the part before."""
    if joint == "\n":
        yield from lines_of(text, start, end)
        return
    assert isinstance(joint, re.Pattern)
    position = start
    for found in [*joint.finditer(text, start, end), None]:
        stop = found.end() if found else end
        part = text[position:stop]
        if part.strip():
            begin = position + len(part) - len(part.lstrip())
            yield begin, position + len(part.rstrip())
        position = stop


def pack(text: str, parts: list[tuple[int, int]], budget: int) -> Iterator[tuple[int, int]]:
    """Join neighbouring parts up to the budget."""
    start, end = parts[0]
    weight = token_weight(text[start:end])
    for begin, stop in parts[1:]:
        more = token_weight(text[end:stop]) + 20
        if weight + more <= budget:
            end, weight = stop, weight + more
        else:
            yield start, end
            start, end, weight = begin, stop, token_weight(text[begin:stop])
    yield start, end


def join_small(found: Iterator[Group], budget: int) -> Iterator[Group]:
    """Join a small group with the next one under the same parent, or with its own first part, up to the budget."""
    current: Group | None = None
    for group in found:
        if current and may_join(current, group, budget):
            current.heading = common(current.heading, group.heading)
            current.units.extend(group.units)
            current.joined = True
        else:
            if current:
                yield current
            current = group
    if current:
        yield current


def may_join(current: Group, group: Group, budget: int) -> bool:
    shared = len(common(current.heading, group.heading))
    if not shared or shared < len(group.heading) - 1 or is_article(current) or is_article(group):
        return False
    both_small = max(current.weight if not current.joined else 0, group.weight) <= SMALL * budget
    return both_small and current.weight + group.weight <= budget


def is_article(group: Group) -> bool:
    return bool(group.heading) and ARTICLE.match(group.heading[-1]) is not None


def common(one: list[str], other: list[str]) -> list[str]:
    """The headings that two paths begin with."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return one[:count]


def bind(text: str, units: Units) -> None:
    """Bind what belongs together: a heading to its text, a table's head to its rows."""
    for place, (before, unit) in enumerate(pairwise(units), 1):
        begins = unit.begins
        if before.kind == "heading" or (before.kind == unit.kind == "table" and RULE.match(text, unit.start, unit.end)):
            begins = "headed"
        elif before.prose and begins != "piece" and text[before.end - 1] in ":：":
            begins = "announced"
        units.begins[place] = BEGINNINGS.index(begins)


def lead_of(text: str, units: Units, first: int) -> str:
    """What a chunk from the unit ``first`` on goes on with: the announcement of its list, or the head of its table."""
    return head_of_table(text, units, first) if units[first].kind == "table" else announcement(text, units, first)


def head_of_table(text: str, units: Units, first: int) -> str:
    head = first
    while head and units[head - 1].kind == "table" and text.count("\n", units[head - 1].end, units[head].start) < 2:
        head -= 1
    if first < head + 2 or not RULE.match(text, units[head + 1].start, units[head + 1].end):
        return ""
    row = text[units[head].start : units[head].end]
    return row if len(row) <= LONGEST_LEAD else row[: LONGEST_LEAD - 1] + "…"


def announcement(text: str, units: Units, first: int) -> str:
    """The sentence with a colon before the items that go on at ``first``; "" where they are no items of a list."""
    place = first
    while place and units[place].begins in ("sentence", "piece"):
        place -= 1
    level = marker_of(text, units[place])
    if not level:
        return ""
    for index in range(place - 1, -1, -1):
        unit = units[index]
        marker, announces = marker_of(text, unit), unit.prose and text[unit.end - 1] in ":："
        if announces and marker != level:  # else it announces what is below a neighbour
            return announced(text, units, index)
        if not unit.prose or not (marker or unit.kind == "list" or unit.begins in ("sentence", "piece")):
            return ""
    return ""


def announced(text: str, units: Units, place: int) -> str:
    """A sentence that ends with the unit at ``place``, with its parts before semicolons as far as they are not long."""
    start, end = units[place].start, units[place].end
    while place and units[place].begins == "sentence" and text[units[place - 1].end - 1] in ";；":
        place -= 1
        if end - units[place].start > LONGEST_LEAD:
            break
        start = units[place].start
    return text[start:end][-LONGEST_LEAD:].lstrip("-+*•· ")


def marker_of(text: str, unit: Unit) -> str:
    """How an item of a list begins, numbers as ``#``, with its indent: the same for neighbours. "" for other units."""
    found = block().match(text, unit.start) if unit.prose and not ARTICLE.match(text, unit.start) else None
    if not found:
        return ""
    line = text.rfind("\n", 0, unit.start) + 1
    return NUMERAL.sub("#", text[line : found.end()])


def cut_group(group: Group, budget: int, overlap: int) -> Iterator[tuple[int, int]]:
    """The chunks of one group: the index of the first unit of each, and the one after its last."""
    units = group.units
    begun = 0  # of the chunk before: the next one begins after it, overlap included
    for first, after in pairwise(best_cuts(units, budget, overlap)):
        room = min(overlap, budget - sum(units.weights[first:after]))
        start = first
        while start - 1 > begun and units.prose(start - 1) and units.weights[start - 1] <= room:
            start -= 1
            room -= units.weights[start]
        begun = start
        yield start, after


def best_cuts(units: Units, budget: int, overlap: int) -> Sequence[int]:
    """Where chunks begin, and the end: the cheapest cover. Chunks but the first leave room for the overlap."""
    count = len(units)
    totals = array("Q", accumulate(units.weights, initial=0))
    best, back = array("d", [0.0]) + array("d", [float("inf")]) * count, array("Q", [0]) * (count + 1)
    for end in range(1, count + 1):
        for start in range(end - 1, -1, -1):
            room = budget - (overlap if start and units.prose(start - 1) else 0)
            weight = totals[end] - totals[start]
            if weight > room and start < end - 1:
                break
            empty = max(0.0, 1 - weight / room)
            cost = best[start] + 1 + empty * empty + (COSTS[units.begins[start]] if start else 0)
            if cost < best[end]:
                best[end], back[end] = cost, start
    cuts = array("Q", [count])
    while cuts[-1]:
        cuts.append(back[cuts[-1]])
    return cuts[::-1]
