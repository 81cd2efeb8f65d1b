"""Fine-tune a model on conversations."""

from tuneloop.train.stage import Train

__all__ = ["Train"]
