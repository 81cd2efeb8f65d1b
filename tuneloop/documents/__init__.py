"""Read documents and cut them into chunks. The stages are in ``parse`` and ``chunk``."""
