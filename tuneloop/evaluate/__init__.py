"""Measure a model: text metrics with intervals, retrieval, and citations that are checked."""

from tuneloop.evaluate.stage import Evaluate

__all__ = ["Evaluate"]
