"""Load generation: open-loop arrivals, latency from the intended start, the first token that a reader sees."""

from tuneloop.loadtest.stage import LoadTest

__all__ = ["LoadTest"]
