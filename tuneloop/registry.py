"""The stages there are: the built-in ones in the order of the life cycle, then those of installed packages.

A package adds a stage through the entry point group ``tuneloop.stages``: ``name = module:Class``.
"""

import re
from typing import Any

from tuneloop.doors import Door
from tuneloop.kinds import KINDS
from tuneloop.language import _, joined
from tuneloop.stage import Stage

BUILT_IN = {
    "parse": "tuneloop.documents.parse:Parse",
    "chunk": "tuneloop.documents.chunk:Chunk",
    "index": "tuneloop.knowledge.index:Index",
    "synthesize": "tuneloop.dataset.synthesize:Synthesize",
    "import": "tuneloop.dataset.importing:ImportDataset",
    "split": "tuneloop.dataset.split:Split",
    "pull": "tuneloop.engines.pull:Pull",
    "train": "tuneloop.train.stage:Train",
    "compress": "tuneloop.compress.stage:Compress",
    "evaluate": "tuneloop.evaluate.stage:Evaluate",
    "loadtest": "tuneloop.loadtest.stage:LoadTest",
}
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")  # a command, a path of REST and a column of the database
TAKEN = ("json", "rerun", "name", "help")  # flags that every stage's command has


def check_stage(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no stage that every surface can show."""
    if not (isinstance(part, type) and issubclass(part, Stage)):
        raise ValueError(_("it is not a subclass of Stage"))
    if (called := getattr(part, "name", None)) != name:
        raise ValueError(_("the class is named {called!r}").format(called=called))
    if not NAME.fullmatch(name):
        raise ValueError(_("a stage's name is of at most 40 small letters, digits, - and _"))
    kinds = [getattr(part, "makes", None), *part.references().values()]
    if unknown := [str(kind) for kind in kinds if kind not in KINDS]:
        raise ValueError(_("there is no kind of artifact {kind!r}").format(kind=unknown[0]))
    if taken := [field for field in part.model_fields if field in TAKEN]:
        raise ValueError(_("a field may not be named {field!r}: every command has that flag").format(field=taken[0]))
    if lacking := [field for field, info in part.model_fields.items() if not info.description]:
        raise ValueError(_("these fields have no description: {fields}").format(fields=joined(lacking)))
    if strange := [field for field in part.positional if field not in part.model_fields]:
        raise ValueError(_("{field!r} is typed without a flag and is no field").format(field=strange[0]))


def absent(name: str) -> str:
    return _("there is no stage {name!r}").format(name=name)


STAGES: Door[type[Stage]] = Door("tuneloop.stages", BUILT_IN, check=check_stage, absent=absent)


def targets() -> list[str]:
    """The names of all stages in the order of the life cycle, without loading any."""
    return STAGES.names()


def stages() -> dict[str, type[Stage]]:
    """Every stage class that can be used, by its name."""
    return STAGES.all()


def find_stage(name: str) -> type[Stage]:
    """The class of a stage. Raises ``NotFound`` with the names there are, or ``Unfit`` for a package's fault."""
    return STAGES.find(name)
