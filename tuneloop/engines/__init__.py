"""Start, watch, inspect and stop local model servers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneloop.engines.agreement import parity
    from tuneloop.engines.engine import Engine, start
    from tuneloop.engines.memory import available_memory, engine_memory
    from tuneloop.engines.pull import Pull

__all__ = ["Engine", "Pull", "available_memory", "engine_memory", "parity", "start"]
HOMES = {
    "Engine": "engine",
    "start": "engine",
    "Pull": "pull",
    "available_memory": "memory",
    "engine_memory": "memory",
    "parity": "agreement",
}


def __getattr__(name: str) -> Any:  # the Pull stage is in this package, and the command line must start quickly
    from importlib import import_module

    if name not in HOMES:
        raise AttributeError(name)
    value = getattr(import_module(f"tuneloop.engines.{HOMES[name]}"), name)
    globals()[name] = value
    return value
