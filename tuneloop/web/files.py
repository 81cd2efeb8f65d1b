"""The files of an artifact, to read: with a type that fits, no script, and no way out of their folder."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from fastapi.responses import FileResponse, Response

from tuneloop.errors import NotFound
from tuneloop.language import _

SHOWN = {
    ".html": "text/html; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json", ".png": "image/png",
    ".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8", ".csv": "text/csv; charset=utf-8",
    ".jsonl": "text/plain; charset=utf-8", ".toml": "text/plain; charset=utf-8",
}  # fmt: skip
# A page that a run has written holds words of documents and models: it is shown, in an origin of its own, and no more.
ALONE = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)


def files_of(folder: Path) -> dict[str, int]:
    """The files of an artifact as its manifest names them, with their bytes."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return {name: facts["bytes"] for name, facts in manifest["files"].items()}


def send(folder: Path, name: str) -> Response:
    """A file that the manifest names. Raises ``NotFound`` for any other, and for one that leads elsewhere."""
    path = folder / name
    if name not in files_of(folder) or not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise NotFound(_("there is no file {name!r}").format(name=name[:200]))
    kind = SHOWN.get(path.suffix.lower())
    headers = {"Content-Security-Policy": ALONE}
    if kind is None:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(path.name)}"
    return FileResponse(path, media_type=kind or "application/octet-stream", headers=headers)
