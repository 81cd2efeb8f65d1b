"""What a run needs of a machine, and what of a machine is free."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from tuneloop import machine

MIB = 2**20


@dataclass(frozen=True)
class Resources:
    """What a run needs for itself while it works.

    ``cores``: CPU cores; ``math.inf`` for as many as there are: one such run works at a time, and leaves one core to
    others. ``memory``: bytes. ``gpu``: whole GPUs; where the machine has none, the run does without. ``alone``: it
    measures the machine, so nothing else works on it meanwhile.
    """

    cores: float = 1.0
    memory: int = 512 * MIB
    gpu: int = 0
    alone: bool = False


GIB = 2**30
ENGINE = Resources(cores=math.inf, memory=2 * GIB)  # of what asks a model that an engine here runs
LEARNING = Resources(cores=math.inf, memory=4 * GIB, gpu=1)  # of what holds a model's weights and changes them


@dataclass(frozen=True)
class Share:
    """What a run has been given."""

    needed: Resources
    gpus: tuple[str, ...] = ()  # as CUDA_VISIBLE_DEVICES names them
    used: int = 0  # bytes that it holds now: they are not free any more, and are not counted twice


@dataclass(frozen=True)
class Room:
    """What a machine has, and how many runs may work on it at once (0: as many as fit)."""

    cores: int = field(default_factory=machine.cores)
    gpus: tuple[str, ...] = field(default_factory=machine.gpus)
    runs: int = 0

    def share(self, needed: Resources, given: Collection[Share], free: int) -> Share | None:
        """What a run gets beside those that work here already; ``None`` where it has to wait.

        ``free``: bytes of memory. The only run on a machine gets what there is, be it too little.
        """
        gpus = tuple(gpu for gpu in self.gpus if not any(gpu in share.gpus for share in given))
        share = Share(needed, gpus[: needed.gpu])
        if not given:
            return share
        fits = (
            (not self.runs or len(given) < self.runs)
            and not needed.alone
            and not any(share.needed.alone for share in given)
            and self._cores_for(needed, given)
            and len(gpus) >= min(needed.gpu, len(self.gpus))
            and needed.memory + sum(max(0, one.needed.memory - one.used) for one in given) <= free
        )
        return share if fits else None

    def _cores_for(self, needed: Resources, given: Collection[Share]) -> bool:
        greedy = [share for share in given if math.isinf(share.needed.cores)]
        modest = sum(share.needed.cores for share in given if share not in greedy)
        if math.isinf(needed.cores):
            return not greedy
        return modest + needed.cores <= max(1, self.cores - len(greedy))
