"""``tuneloop demo``: the main job on Tuneloop's own documentation, or on yours, and its report."""

from tuneloop.demo.pipeline import RECIPES, Outcome, Pipeline, own_documents
from tuneloop.demo.report import write_report
from tuneloop.train.stage import check_training

__all__ = ["RECIPES", "Outcome", "Pipeline", "check_training", "own_documents", "write_report"]
