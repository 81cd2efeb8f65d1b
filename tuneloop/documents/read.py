"""One file in, one document out: picks the reader, assembles the text, names the language."""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tuneloop.documents.blocks import Reading, Unreadable, assemble, one_line
from tuneloop.language import stored
from tuneloop.records import Document, content_id
from tuneloop.text.encodings import NotText, decode
from tuneloop.text.language import language_of

MEDIA_TYPES = {
    ".md": "text/markdown", ".markdown": "text/markdown", ".mdown": "text/markdown", ".mdx": "text/markdown",
    ".html": "text/html", ".htm": "text/html", ".xhtml": "text/html",
    ".txt": "text/plain", ".text": "text/plain", ".csv": "text/csv", ".tsv": "text/tab-separated-values",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}  # fmt: skip
LONGEST_TITLE = 200
DECLARED = re.compile(
    rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w-]+)|^\s*<\?xml[^>]{0,200}encoding=["']([\w-]+)""", re.I
)


@dataclass
class Outcome:
    """What became of one file: a document, or none, and what was set aside with its reason."""

    document: Document | None = None
    set_aside: list[tuple[str, str]] = field(default_factory=list)  # where below the file ("" for all of it), reason
    left_out: dict[str, int] = field(default_factory=dict)  # characters taken for decoration, by the rule


def read_file(path: Path, name: str, sha256: str) -> Outcome:
    """Read one file of a known type. Every reason why it cannot be read ends in ``set_aside``."""
    suffix = path.suffix.lower()
    try:
        reading = read_by_type(path, suffix)
    except Unreadable as reason:
        return Outcome(set_aside=[("", str(reason))])
    except OSError as error:
        return Outcome(set_aside=[("", stored("cannot be read: {}").format(error.strerror))])
    except MemoryError:
        return Outcome(set_aside=[("", stored("needs more memory to be read than one file may take"))])
    except RecursionError:
        return Outcome(set_aside=[("", stored("nested too deeply to be read"))])
    aside = [(f"page {page}", reason) for page, reason in reading.set_aside]
    document = to_document(reading, name, suffix, sha256)
    if not document.text.strip():
        return Outcome(set_aside=[*aside, ("", stored("holds no text"))], left_out=dict(reading.left_out))
    aside += [("", loss) for loss in reading.losses]
    return Outcome(document, aside, dict(reading.left_out))


def to_document(reading: Reading, name: str, suffix: str, sha256: str) -> Document:
    from tuneloop.documents.law import mark_articles

    text, sections = assemble(mark_articles(reading.blocks))
    return Document(
        id=content_id(name, text),
        name=name,
        title=(one_line(reading.title) or PurePosixPath(name).stem)[:LONGEST_TITLE],
        media_type=MEDIA_TYPES[suffix],
        language=language_of(text),
        sha256=sha256,
        pages=reading.pages,
        text=text,
        sections=sections,
        metadata=reading.metadata,
    )


def read_by_type(path: Path, suffix: str) -> Reading:
    media_type = MEDIA_TYPES[suffix]
    if media_type == "application/pdf":
        from tuneloop.documents.pdf import read_pdf

        return read_pdf(path)
    if suffix == ".docx":
        from tuneloop.documents.docx import read_docx

        return read_docx(path)
    return read_text(path.read_bytes(), media_type)


def read_text(data: bytes, media_type: str) -> Reading:
    """Any of the formats that are text in some encoding."""
    text, encoding = declared_text(data) if media_type == "text/html" else ("", "")
    if not encoding:
        try:
            text, encoding = decode(data)
        except NotText as problem:
            raise Unreadable(problem.reason) from None
    reading = reader_of(media_type)(text)
    if lost := text.count("\ufffd"):
        reason = stored("read without {} characters that are damaged or not {}")
        reading.losses.append(reason.format(lost, encoding))
    return reading


def reader_of(media_type: str) -> Any:
    if media_type == "text/markdown":
        from tuneloop.documents.markdown import read_markdown

        return read_markdown
    if media_type == "text/html":
        from tuneloop.documents.html import read_html

        return read_html
    from tuneloop.documents.plain import read_csv, read_plain

    if media_type == "text/tab-separated-values":
        return lambda text: read_csv(text, "\t")
    return read_csv if media_type == "text/csv" else read_plain


def declared_text(data: bytes) -> tuple[str, str]:
    """The text in the encoding that an HTML page declares, where that is true of its bytes."""
    found = DECLARED.search(data[:4096])
    name = (found[1] or found[2]).decode("ascii").lower() if found else ""
    for encoding in {"gb2312": ["gb18030"], "gbk": ["gb18030"], "big5": ["big5hkscs"]}.get(name, [name]):
        try:
            return (data.decode(encoding), encoding) if encoding else ("", "")
        except (UnicodeDecodeError, LookupError):
            continue
    return "", ""
