"""Make a dataset: have a teacher write it from chunks, or import one that exists."""
