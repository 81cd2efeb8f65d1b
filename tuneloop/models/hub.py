"""Hugging Face and ModelScope over plain HTTPS: list a repository, download a file with resume.

Mirrors: ``HF_ENDPOINT`` and ``MODELSCOPE_ENDPOINT``. Tokens: ``HF_TOKEN`` and ``MODELSCOPE_API_TOKEN``.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tuneloop.errors import TuneloopError
from tuneloop.language import _

if TYPE_CHECKING:
    import httpx

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all
WEIGHTS = (".safetensors",)
TEXTS = (".json", ".txt", ".model", ".jinja", ".tiktoken")  # configuration and tokenizer; never pickled weights
ATTEMPTS = 4
CONNECT_SECONDS = 4.0


class SourceFailed(TuneloopError):
    """This source cannot give the model; another may."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository; ``sha256`` and ``bytes`` where the hub says them."""

    path: str
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Hub:
    """Where a hub's files and lists are."""

    name: str
    endpoint: str
    token: str
    branch: str

    def file_url(self, repository: str, revision: str, path: str) -> str:
        between = "" if self.name == "huggingface" else "models/"
        return f"{self.endpoint}/{between}{repository}/resolve/{quote(revision or self.branch, safe='')}/{quote(path)}"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def listing(self, client: httpx.Client, repository: str, revision: str) -> list[RemoteFile]:
        """The files of a repository, with their hashes where they are stored as large files."""
        revision = revision or self.branch
        if self.name == "huggingface":
            url = f"{self.endpoint}/api/models/{repository}/tree/{quote(revision, safe='')}"
            rows = get_json(client, url, {"recursive": "true"}, self.headers())
            found = [(r.get("path"), r.get("size"), (r.get("lfs") or {}).get("oid"), r.get("type")) for r in rows]
        else:
            url = f"{self.endpoint}/api/v1/models/{repository}/repo/files"
            answer = get_json(client, url, {"Revision": revision, "Recursive": "true"}, self.headers())
            rows = (answer.get("Data") or {}).get("Files") or []
            found = [(r.get("Path"), r.get("Size"), r.get("Sha256"), r.get("Type")) for r in rows]
        return [
            RemoteFile(path, int(size or 0), sha256 or "")
            for path, size, sha256, kind in found
            if kind in ("file", "blob") and safe_path(path)
        ]


def hub(name: str) -> Hub:
    """The hub of that name, as the environment has it."""
    if name == "huggingface":
        endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        return Hub(name, endpoint.rstrip("/"), os.environ.get("HF_TOKEN", ""), "main")
    endpoint = os.environ.get("MODELSCOPE_ENDPOINT") or "https://www.modelscope.cn"
    return Hub(name, endpoint.rstrip("/"), os.environ.get("MODELSCOPE_API_TOKEN", ""), "master")


def forbidden() -> bool:
    """Whether the environment says that no hub is to be asked: ``HF_HUB_OFFLINE``, for ModelScope too."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe_path(path: Any) -> bool:
    """Whether a name from a hub stays inside the folder that it is saved in."""
    if not isinstance(path, str) or not path or "\\" in path or "\0" in path:
        return False
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts


def open_client() -> httpx.Client:
    import httpx

    timeout = httpx.Timeout(30.0, connect=CONNECT_SECONDS)
    return httpx.Client(timeout=timeout, follow_redirects=True, headers={"User-Agent": "tuneloop"})


def answering(hubs: Iterable[Hub], seconds: float = CONNECT_SECONDS) -> set[str]:
    """The names of the hubs that answer within ``seconds``; a slow name server counts as no answer."""
    import httpx

    found: set[str] = set()

    def ask(which: Hub) -> None:
        try:
            httpx.head(which.endpoint, timeout=seconds)
            found.add(which.name)
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            pass

    threads = [threading.Thread(target=ask, args=(h,), daemon=True) for h in hubs]
    for thread in threads:
        thread.start()
    limit = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, limit - time.monotonic()))
    return set(found)


def get_json(client: httpx.Client, url: str, params: dict[str, str], headers: dict[str, str]) -> Any:
    """A hub's JSON answer; a list that comes in pages is joined. Raises ``SourceFailed``."""
    import httpx

    joined: list[Any] = []
    following: str | None = url
    asked: dict[str, str] | None = params
    while following:
        try:
            response = client.get(following, params=asked, headers=headers)
            check_status(response.status_code, url)
            answer = response.json()
        except httpx.HTTPError as error:
            raise SourceFailed(_("no answer: {}").format(error or type(error).__name__), where=url) from None
        except ValueError:
            raise SourceFailed(_("the answer is not JSON"), where=url) from None
        if not isinstance(answer, list):
            return answer
        joined += answer
        following, asked = response.links.get("next", {}).get("url"), None
    return joined


def check_status(status: int, url: str) -> None:
    """Raise for an HTTP status that is not a success."""
    if status in (401, 403):
        raise SourceFailed(
            _("the hub refuses access (HTTP {})").format(status),
            where=url,
            hint=_("Accept the model's licence on its page, and set HF_TOKEN or MODELSCOPE_API_TOKEN."),
        )
    if status == 404:
        raise SourceFailed(_("the hub has no such model, revision or file"), where=url)
    if status >= 400:
        raise SourceFailed(_("the hub answers HTTP {}").format(status), where=url)


def needed_files(listing: list[RemoteFile]) -> list[RemoteFile]:
    """Of a repository with 16-bit weights, what a model needs. Pickled weights are never among it."""
    here = [f for f in listing if "/" not in f.path]
    weights = [f for f in here if f.path.endswith(WEIGHTS)]
    if not weights:
        raise SourceFailed(_("the repository has no safetensors weights; pickled ones are never opened"))
    return sorted(weights + [f for f in here if f.path.endswith(TEXTS)], key=lambda f: f.path)


def download(client: httpx.Client, url: str, target: Path, *, sha256: str, size: int, headers: dict[str, str],
             progress: Progress) -> str:  # fmt: skip
    """Download a file, continuing a part that is there, and return its SHA-256. The target appears whole or not at all.

    A connection that breaks is taken up again where it broke. Raises ``SourceFailed``; a wrong hash removes the part.
    """
    import httpx

    part = target.with_name(f"{target.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(ATTEMPTS):
        have = part.stat().st_size if part.exists() else 0
        try:
            if not size or have < size:
                receive(client, url, part, have, headers, size, progress)
            break
        except httpx.HTTPError as error:
            if attempt == ATTEMPTS - 1:
                raise SourceFailed(
                    _("the download broke off: {}").format(error or type(error).__name__), where=url
                ) from None
            time.sleep(0.2 * 2**attempt)
    digest = hash_file(part)
    if (sha256 and digest != sha256) or (size and part.stat().st_size != size):
        part.unlink()
        raise SourceFailed(_("what came is not the file that was pinned (sha256:{})").format(digest[:16]), where=url)
    part.replace(target)
    return digest


def receive(client: httpx.Client, url: str, part: Path, have: int, headers: dict[str, str], size: int,
            progress: Progress) -> None:  # fmt: skip
    """One request for the rest of a file, appended to ``part``."""
    asked = headers | ({"Range": f"bytes={have}-"} if have else {}) | {"Accept-Encoding": "identity"}
    with client.stream("GET", url, headers=asked) as response:
        if have and response.status_code == 416:  # the part is not the beginning of this file, or all of it
            part.unlink()
            return receive(client, url, part, 0, headers, size, progress)
        check_status(response.status_code, url)
        have = have if response.status_code == 206 else 0
        length = int(response.headers.get("Content-Length") or 0)
        total = have + length if length else size or None
        if size and total and total != size:
            raise SourceFailed(_("the hub's file has {} bytes, the pinned one {}").format(total, size), where=url)
        with part.open("ab" if have else "wb") as file:
            for block in response.iter_bytes():
                file.write(block)
                have += len(block)
                progress(have, total)
