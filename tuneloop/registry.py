"""The stages there are: the built-in ones in the order of the life cycle, then those of installed packages.

A package adds a stage through the entry point group ``tuneloop.stages``: ``name = module:Class``.
"""

from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points

from tuneloop.errors import NotFound
from tuneloop.language import _, joined
from tuneloop.nearest import meant
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


@lru_cache
def targets() -> dict[str, str]:
    """Where each stage is, by its name, in the order of the life cycle. A built-in name cannot be taken."""
    return BUILT_IN | {e.name: e.value for e in entry_points(group="tuneloop.stages") if e.name not in BUILT_IN}


def stages() -> dict[str, type[Stage]]:
    """Every stage class by its name."""
    return {name: find_stage(name) for name in targets()}


@lru_cache
def find_stage(name: str) -> type[Stage]:
    """The class of a stage. Raises ``NotFound`` with the names there are."""
    if name not in targets():
        raise NotFound(
            _("there is no stage {name!r}").format(name=name),
            hint=meant(name, targets()) or _("Stages: {names}.").format(names=joined(targets())),
        )
    module, _colon, attribute = targets()[name].partition(":")
    return getattr(import_module(module), attribute)
