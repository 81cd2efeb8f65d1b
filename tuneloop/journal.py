"""Work that is kept as it is done: one line of JSON a finished item, so that a kill costs at most the item in hand."""

import json
from pathlib import Path
from typing import Any


class Journal:
    """A map from key to JSON value that is appended to files. The first file is the run's own; others are caches.

    With ``fresh`` the caches are written but not read. Each entry is one write of one line, so two processes may share
    a file. A line that was torn by a kill, or that a full disk cut short, is skipped when the file is read again.
    """

    def __init__(self, own: Path, *caches: Path, fresh: bool = False) -> None:
        self.paths = (own, *caches)
        self.entries: dict[str, Any] = {}
        for path in self.paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            known = self._read(path)
            if path == own or not fresh:
                self.entries |= known

    def __contains__(self, key: str) -> bool:
        return key in self.entries

    def get(self, key: str) -> Any:
        """The value of a key, or None."""
        return self.entries.get(key)

    def put(self, key: str, value: Any) -> None:
        """Keep a value. Raises ``OSError`` where a file cannot be written."""
        self.entries[key] = value
        line = json.dumps([key, value], ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        for path in self.paths:
            with path.open("ab", buffering=0) as file:
                file.write(line)

    def _read(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if not path.exists():
            return found
        data = path.read_bytes()
        for line in data.split(b"\n"):
            try:
                key, value = json.loads(line)
                found[str(key)] = value
            except ValueError:
                continue  # an empty line, or one that was torn
        if data and not data.endswith(b"\n"):
            with path.open("ab") as file:
                file.write(b"\n")  # the next entry must not join the torn one
        return found
