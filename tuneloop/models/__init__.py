"""Models: their cards, their chat templates, the catalogue, and where each one comes from."""

from tuneloop.models.card import ModelCard, TokenCheck, read_card, write_card
from tuneloop.models.catalogue import CATALOGUE, Entry, Source, Wheel, find_entry
from tuneloop.models.fetch import fetch
from tuneloop.models.folder import card_of, read_folder_card
from tuneloop.models.gguf import Header, read_gguf, read_gguf_card
from tuneloop.models.template import render, template_hash

__all__ = [
    "CATALOGUE", "Entry", "Header", "ModelCard", "Source", "TokenCheck", "Wheel", "card_of", "fetch", "find_entry",
    "read_card", "read_folder_card", "read_gguf", "read_gguf_card", "render", "template_hash", "write_card",
]  # fmt: skip
