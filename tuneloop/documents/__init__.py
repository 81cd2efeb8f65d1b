"""Read documents and cut them into chunks. The stages are in ``parse`` and ``chunk``."""

from tuneloop.documents.chunk import Chunk
from tuneloop.documents.parse import Parse

__all__ = ["Chunk", "Parse"]
