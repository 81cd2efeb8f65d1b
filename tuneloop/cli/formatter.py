"""Help that fits the terminal in Chinese too: a Chinese character takes two cells, and a line may end after it."""

import re
from collections.abc import Iterable
from unicodedata import east_asian_width

import click

WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff01-\uff60"
PIECE = re.compile(rf"\[[^\[\]]{{1,40}}\]|[^\s{WIDE}]+|\s+|[{WIDE}]")  # [default: 200] stays on one line
EXTRAS = re.compile(r"\[[^\[\]]*\]$")  # click joins what it says of an option by a semicolon of its own
CLOSING = set("，。；：、！？）》」』”’")  # never at the beginning of a line


def cells(text: str) -> int:
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def pieces(text: str) -> list[str]:
    """What a line may end after: a word, a space, or a Chinese character with the punctuation that closes it."""
    found: list[str] = []
    for piece in PIECE.findall(text):
        if found and (piece in CLOSING or found[-1][-1] in "（《「『“‘"):
            found[-1] += piece
        else:
            found.append(piece)
    return found


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` cells, where no word is longer."""
    lines, line = [], ""
    for piece in pieces(" ".join(text.split())):
        if line.strip() and cells(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()] if line.strip() else lines


class Formatter(click.HelpFormatter):
    """Click's formatter, but for texts with Chinese in them."""

    def write_heading(self, heading: str) -> None:
        self.write(f"{'':>{self.current_indent}}{heading}{':' if heading.isascii() else '：'}\n")

    def write_text(self, text: str) -> None:
        if text.isascii():
            return super().write_text(text)
        indent = " " * self.current_indent
        blocks = []
        for block in text.split("\n\n"):
            raw = block.startswith("\b\n")  # click's sign: keep the line breaks
            lines = block[2:].splitlines() if raw else wrap(block, max(self.width - len(indent), 20))
            blocks.append("\n".join(indent + line for line in lines))
        self.write("\n\n".join(filter(None, blocks)) + "\n")
        return None

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = list(rows)
        if all(text.isascii() for _name, text in rows):
            return super().write_dl(rows, col_max, col_spacing)
        first = min(max(cells(name) for name, _text in rows), col_max) + col_spacing
        indent = " " * self.current_indent
        for name, text in rows:
            text = EXTRAS.sub(lambda found: found[0].replace("; ", "；"), text)
            lines = wrap(text, max(self.width - first - len(indent), 20))
            fits = cells(name) <= first - col_spacing
            head = [name + " " * (first - cells(name)) + lines.pop(0)] if fits and lines else [name]
            for line in (*head, *(" " * first + line for line in lines)):
                self.write(indent + line + "\n")
        return None


class Context(click.Context):
    formatter_class = Formatter
