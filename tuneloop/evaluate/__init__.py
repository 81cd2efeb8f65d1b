"""Measure a model: text metrics with intervals, retrieval, and citations that are checked."""
