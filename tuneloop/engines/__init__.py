"""Start, stop and inspect model servers."""

from tuneloop.engines.engine import Engine, start
from tuneloop.engines.memory import available_memory, engine_memory
from tuneloop.engines.parity import parity

__all__ = ["Engine", "available_memory", "engine_memory", "parity", "start"]
