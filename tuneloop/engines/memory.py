"""What this machine has, and what a model will take of it: known before anything is loaded."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tuneloop.models import Header

MIB = 1 << 20
CACHE = 256 * MIB  # prompts kept for reuse; llama.cpp's own default is 8 GiB
WORK = 160 * MIB  # compute buffers, tokenizer, Python: 45 to 160 MiB were measured on models of 0.1 to 0.5 billion
CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that a new process may take: free memory, the container's limit, or ``TUNELOOP_MEMORY`` (bytes)."""
    if named := os.environ.get("TUNELOOP_MEMORY"):
        return int(float(named))
    return int(min(system_memory(), container_memory()))


def system_memory() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    if sys.platform == "darwin":
        return mac_memory(subprocess.run(["vm_stat"], capture_output=True, text=True, check=False).stdout)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def mac_memory(report: str) -> int:
    """Free, inactive and speculative pages of ``vm_stat``, in bytes."""
    pages = 0
    for line in report.splitlines():
        name, _sep, count = line.partition(":")
        if name in ("Pages free", "Pages inactive", "Pages speculative", "Pages purgeable"):
            pages += int(count.strip(" ."))
    return pages * os.sysconf("SC_PAGE_SIZE")


def container_memory(root: Path = CGROUP) -> float:
    """What the cgroup (version 2) still allows, in bytes; its page cache counts as free. Infinite without a limit."""
    try:
        limit = (root / "memory.max").read_text(encoding="ascii").strip()
        if limit == "max":
            return math.inf
        used = int((root / "memory.current").read_text(encoding="ascii"))
        stat = dict(line.split() for line in (root / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return math.inf
    return int(limit) - used + int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0))


def cores(root: Path = CGROUP) -> int:
    """CPU cores that this process may use: affinity and the container's quota both count."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            count = min(count, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):
        pass
    return count


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
