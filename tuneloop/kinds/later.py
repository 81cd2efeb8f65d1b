"""Kinds whose stages are still to come: they have their place in an address."""

from tuneloop.kinds import Kind

SAFETY, TRAFFIC, FILING = Kind("safety"), Kind("traffic"), Kind("filing")
