"""Merge an adapter into its base and store the weights in fewer bits."""

from tuneloop.compress.stage import Compress

__all__ = ["Compress"]
