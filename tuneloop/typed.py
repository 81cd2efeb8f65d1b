"""Commands as they can be typed here: messages say ``tuneloop show …``, whichever way the program was started.

The command line says once how it was started (``started``); whatever names a command then goes through ``as_typed``.
Everywhere else, such as in a server, a command stays as it is written.
"""

import re
import shlex
import shutil
import sys
from pathlib import Path

COMMAND = re.compile(r"(?<![\w/.'\"-])tuneloop (?=-?[a-z])")
PIP = re.compile(r"(?<![\w/.'\"-])pip install(?= )")
NAME = "tuneloop"
prefixes = {"tuneloop": NAME, "program": NAME, "pip": "pip"}  # what stands for each here; the program without a -w


def started(program: str, workspace: str = "") -> None:
    """``program`` is ``sys.argv[0]``; ``workspace`` the folder that ``-w`` named, "" where it would be found again."""
    python = near(sys.executable)
    prefixes["pip"] = "pip" if on_path("pip", str(Path(sys.executable).with_name("pip"))) else f"{python} -m pip"
    if Path(program).name == "__main__.py":
        prefixes["program"] = f"{python} -m {NAME}"
    elif Path(program).name != NAME or on_path(NAME, program):
        prefixes["program"] = NAME
    else:
        prefixes["program"] = near(program)
    prefixes["tuneloop"] = prefixes["program"] + (f" -w {shlex.quote(workspace)}" if workspace else "")


def on_path(name: str, program: str) -> bool:
    """Whether typing ``name`` alone would start that very file."""
    found = shutil.which(name)
    return bool(found) and Path(found).absolute() == Path(program).absolute()


def near(program: str) -> str:
    """A program's path, quoted: from the current folder where it lies below it, else in full."""
    path = Path(program).absolute()
    here = Path.cwd()
    if path.is_relative_to(here):
        below = str(path.relative_to(here))
        return shlex.quote(below if "/" in below else f"./{below}")
    return shlex.quote(str(path))


def as_typed(text: str) -> str:
    """A message with each ``tuneloop …`` and ``pip install …`` in it as it works in this terminal."""
    text = COMMAND.sub(lambda found: prefixes["program" if text[found.end() :].startswith("-w ") else NAME] + " ", text)
    return PIP.sub(lambda _found: prefixes["pip"] + " install", text)
