"""Make a dataset: have a teacher write it from chunks, or import one that exists."""

from tuneloop.dataset.importing import ImportDataset
from tuneloop.dataset.split import Split
from tuneloop.dataset.synthesize import Synthesize

__all__ = ["ImportDataset", "Split", "Synthesize"]
