"""The stages there are: the built-in ones in the order of the life cycle, then those of installed packages.

A package adds a stage through the entry point group ``tuneloop.stages``.
"""

from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points

from tuneloop.errors import NotFound
from tuneloop.stage import Stage

BUILT_IN = (
    "tuneloop.documents.parse:Parse",
    "tuneloop.documents.chunk:Chunk",
    "tuneloop.knowledge.index:Index",
    "tuneloop.dataset.synthesize:Synthesize",
    "tuneloop.dataset.importing:ImportDataset",
    "tuneloop.engines.pull:Pull",
    "tuneloop.train.stage:Train",
    "tuneloop.compress.stage:Compress",
    "tuneloop.evaluate.stage:Evaluate",
    "tuneloop.loadtest.stage:LoadTest",
)


@lru_cache
def stages() -> dict[str, type[Stage]]:
    """Every stage class by its name, in the order of the life cycle."""
    found: dict[str, type[Stage]] = {}
    for target in BUILT_IN:
        module, _, attribute = target.partition(":")
        stage: type[Stage] = getattr(import_module(module), attribute)
        found[stage.name] = stage
    for entry in entry_points(group="tuneloop.stages"):
        stage = entry.load()
        found.setdefault(stage.name, stage)
    return found


def find_stage(name: str) -> type[Stage]:
    """The class of a stage. Raises ``NotFound`` with the names there are."""
    if name not in stages():
        raise NotFound(f"there is no stage {name!r}", hint=f"Stages: {', '.join(stages())}.")
    return stages()[name]
