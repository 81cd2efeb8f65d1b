"""Tuneloop: from a team's own documents to a tuned, measured, cited and served language model."""

__version__ = "0.1.0"
