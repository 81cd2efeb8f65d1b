"""Has every package of the core a wheel on every platform that the guide names? Asks the package index of your pip.

    python tools/wheels.py [--python 3.11 3.12] [--extra train]

The packages are the core's dependencies and theirs, at the versions of constraints.txt, as they are installed here.
For each platform pip is asked whether it could install exactly these without building anything (``--dry-run
--only-binary=:all: --no-deps``). What it cannot tell: a dependency that only another platform has (its marker is read
on this one), whether a wheel also runs there, and what an index that is a mirror has not copied.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A platform by the tags that its pip accepts, newest first: on Linux of glibc 2.28 (RHEL 8, openEuler 20.03) and older.
LINUX = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_24", "manylinux_2_17", "manylinux2014")
MAC = [f"macosx_{major}_0_arm64" for major in range(14, 10, -1)]
PLATFORMS = {
    "Linux x86-64": [f"{tag}_x86_64" for tag in (*LINUX, "manylinux_2_12", "manylinux2010", "manylinux_2_5")],
    "Linux aarch64": [f"{tag}_aarch64" for tag in LINUX],
    "macOS arm64": [*MAC, *(f"macosx_{m}_0_universal2" for m in range(14, 10, -1)), "macosx_10_9_universal2"],
}


def name_of(requirement: str) -> str:
    return re.split(r"[\s;<>=!~\[(]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def wanted(package: str, extra: str) -> list[str]:
    """The packages that ``package`` needs on this machine, with those of one of its extras."""
    from packaging.requirements import Requirement

    found = []
    for text in requires(package) or []:
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            found.append(needed.name.lower().replace("_", "-"))
    return found


def closure(extra: str) -> list[str]:
    """The core's dependencies with all of theirs, as ``name==version``, in alphabetical order."""
    waiting, seen = wanted("tuneloop", extra), {}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        try:
            seen[name] = version(name).partition("+")[0]  # 2.13.0+cpu is a build of 2.13.0
        except PackageNotFoundError:
            print(f"{name} is not installed here and is left out", file=sys.stderr)
            continue
        waiting += wanted(name, "")
    return [f"{name}=={found}" for name, found in sorted(seen.items())]


def lacking(pins: list[str], tags: list[str], python: str) -> list[str]:
    """Those of ``pins`` that have no wheel for a platform: asked all at once, and one by one where that fails."""
    if not refused(pins, tags, python):
        return []
    return [pin for pin in pins if refused([pin], tags, python)]


def refused(pins: list[str], tags: list[str], python: str) -> bool:
    with tempfile.TemporaryDirectory() as target:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--disable-pip-version-check",
                   "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python,
                   "--target", target, *(f"--platform={tag}" for tag in tags), *pins]  # fmt: skip
        return subprocess.run(command, capture_output=True, check=False).returncode != 0


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=["3.11"], help="versions of Python")
    parser.add_argument("--extra", default="", help="an extra of Tuneloop to look at too")
    return parser.parse_args(arguments)


def main() -> int:
    asked = options(sys.argv[1:])
    pins, missing = closure(asked.extra), {}
    print(f"{len(pins)} packages: the core" + (f" and [{asked.extra}]" if asked.extra else ""))
    print(f"{'':<14} " + "  ".join(f"Python {python}" for python in asked.python))
    for platform, tags in PLATFORMS.items():
        cells = []
        for python in asked.python:
            gone = missing[platform, python] = lacking(pins, tags, python)
            cells.append("all" if not gone else f"{len(pins) - len(gone)} of {len(pins)}")
        print(f"{platform:<14} " + "  ".join(f"{cell:<11}" for cell in cells), flush=True)
    for (platform, python), gone in missing.items():
        if gone:
            print(f"no wheel on {platform}, Python {python}: {', '.join(gone)}")
    return 1 if any(missing.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
