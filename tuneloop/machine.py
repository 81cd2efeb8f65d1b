"""What this machine has: memory that is free and cores that may be used, inside a container or not."""

import math
import os
import subprocess
import sys
from pathlib import Path

from tuneloop.errors import TuneloopError

CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes that a new process may take: free memory, the container's limit, or ``TUNELOOP_MEMORY`` (bytes)."""
    if named := os.environ.get("TUNELOOP_MEMORY"):
        try:
            return int(float(named))
        except ValueError:
            raise TuneloopError(f"TUNELOOP_MEMORY is a number of bytes, and not {named!r}") from None
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


def tree_memory(root: int) -> int:
    """Bytes that a process and all that it started hold in memory now; 0 where ``/proc`` does not tell.

    Memory that several of them share counts for each (RSS): what is told is never too little.
    """
    children: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for name in os.listdir("/proc") if Path("/proc/self/stat").exists() else ():  # noqa: PTH208 (each second)
        if name.isdigit():
            try:
                stat = Path("/proc", name, "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # it has just ended
                continue
            fields = stat.rpartition(")")[2].split()  # the name before may hold anything; see proc_pid_stat(5)
            children.setdefault(int(fields[1]), []).append(int(name))
            pages[int(name)] = int(fields[21])
    total, found = 0, [root]
    while found:
        process = found.pop()
        total += pages.get(process, 0)
        found += children.get(process, ())
    return total * os.sysconf("SC_PAGE_SIZE")


def multiplies_bf16(cpus: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether a processor or a GPU here most likely computes in bf16; False where that is not known."""
    if gpus():
        return True
    try:
        with cpus.open(encoding="utf-8", errors="replace") as file:
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return False
    return not {"avx512_bf16", "amx_tile"}.isdisjoint(flags)


def gpus(devices: Path = Path("/dev")) -> tuple[str, ...]:
    """The NVIDIA GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip() not in ("", "-1"))
    return tuple(str(n) for n in range(sum(path.name[6:].isdigit() for path in devices.glob("nvidia[0-9]*"))))


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
