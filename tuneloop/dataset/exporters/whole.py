"""Every field of an example, of whatever shape, without those that are empty."""

from tuneloop.dataset.exporters import EVERY, Exporter
from tuneloop.records.jsonl import as_object

EXPORTER = Exporter(as_object, EVERY, shapes=())
