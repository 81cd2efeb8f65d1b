"""One file in, one document out: picks the reader, assembles the text, names the language."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tuneloop.documents.blocks import Reading, Unreadable, assemble, one_line
from tuneloop.documents.readers import READERS, ending
from tuneloop.doors import Unfit
from tuneloop.language import stored
from tuneloop.records import Document, content_id
from tuneloop.text.language import language_of

LONGEST_TITLE = 200


@dataclass
class Outcome:
    """What became of one file: a document, or none, and what was set aside with its reason."""

    document: Document | None = None
    set_aside: list[tuple[str, str]] = field(default_factory=list)  # where below the file ("" for all of it), reason
    left_out: dict[str, int] = field(default_factory=dict)  # characters taken for decoration, by the rule

    def taken(self) -> Document | None:
        """The document, which is not held here any more: it may be a book."""
        document, self.document = self.document, None
        return document


def read_file(path: Path, name: str, sha256: str) -> Outcome:
    """Read one file of a known type. Every reason why it cannot be read ends in ``set_aside``."""
    package = READERS.package(ending(path))
    try:
        reader = READERS.find(ending(path))
        reading = reader.read(path)
    except Unreadable as reason:
        return Outcome(set_aside=[("", str(reason))])
    except Unfit as unfit:
        reason = stored("the reader of the package {} cannot be used: {}")
        return Outcome(set_aside=[("", reason.format(package, unfit.reason))])
    except OSError as error:
        return Outcome(set_aside=[("", stored("cannot be read: {}").format(error.strerror))])
    except MemoryError:
        return Outcome(set_aside=[("", stored("needs more memory to be read than one file may take"))])
    except RecursionError:
        return Outcome(set_aside=[("", stored("nested too deeply to be read"))])
    except Exception as error:
        if not package:
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome(set_aside=[("", stored("the reader of the package {} failed: {}").format(package, said))])
    aside = [(f"page {page}", reason) for page, reason in reading.set_aside]
    document = to_document(reading, name, reader.media_type, sha256)
    if not document.text.strip():
        return Outcome(set_aside=[*aside, ("", stored("holds no text"))], left_out=dict(reading.left_out))
    aside += [("", loss) for loss in reading.losses]
    return Outcome(document, aside, dict(reading.left_out))


def to_document(reading: Reading, name: str, media_type: str, sha256: str) -> Document:
    from tuneloop.documents.law import mark_articles

    text, sections = assemble(mark_articles(reading.blocks))
    return Document(
        id=content_id(name, text),
        name=name,
        title=(one_line(reading.title) or PurePosixPath(name).stem)[:LONGEST_TITLE],
        media_type=media_type,
        language=language_of(text),
        sha256=sha256,
        pages=reading.pages,
        text=text,
        sections=sections,
        metadata=reading.metadata,
    )
