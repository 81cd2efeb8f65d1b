"""Merge an adapter into its base and store the weights in fewer bits."""
