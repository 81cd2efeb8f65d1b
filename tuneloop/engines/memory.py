"""What a model will take of this machine: known before anything is loaded."""

from typing import Any

from tuneloop.machine import available_memory, cores
from tuneloop.models import Header

MIB = 1 << 20
CACHE = 256 * MIB  # prompts kept for reuse; llama.cpp's own default is 8 GiB
WORK = 160 * MIB  # compute buffers, tokenizer, Python: 45 to 160 MiB were measured on models of 0.1 to 0.5 billion
__all__ = ["available_memory", "cache_bytes_per_token", "cores", "engine_memory"]


def cache_bytes_per_token(header: Header) -> int:
    """Bytes that one token takes in the key-value cache, in 16 bits, over all layers."""
    layers, heads = int(header.hyper("block_count")), header.hyper("attention.head_count")
    kv_heads = header.hyper("attention.head_count_kv", heads)
    width = header.hyper("embedding_length") // max(1, largest(heads))
    key, value = header.hyper("attention.key_length", width), header.hyper("attention.value_length", width)
    total = sum(kv_heads) if isinstance(kv_heads, tuple) else int(kv_heads) * layers
    return 2 * (int(key) + int(value)) * total


def largest(value: Any) -> int:
    return max(value, default=1) if isinstance(value, tuple) else int(value)


def engine_memory(header: Header, context: int) -> int:
    """Bytes that an engine takes at its fullest, with a cache of ``context`` tokens over all its requests."""
    return header.file_bytes + cache_bytes_per_token(header) * context + CACHE + WORK
