"""Who has a run: a process, known so that no other on any machine is taken for it.

A hostname, a process id and a clock are no identity: containers of one image share the first two, and clocks differ.
A process says where it is (its ``place``) and when it began there. A place is one start of one kernel, one space of
process ids in it, one machine and one workspace. Only what is in the same place can tell that a process is gone, and
then for certain; everybody else goes by the lease.
"""

import hashlib
import os
import secrets
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any


class RunLost(Exception):
    """Another process has taken the run, or somebody has ended it."""


@dataclass(frozen=True)
class Holder:
    """A process that has a run. ``place`` is "" where nobody could tell from outside that it is gone."""

    place: str
    pid: int
    begun: str  # when the process began, in the words of its system: an id alone is given again

    @classmethod
    def me(cls, folder: Path) -> "Holder":
        """This process, at work in the workspace whose folder that is."""
        return cls.of(os.getpid(), folder)

    @classmethod
    def of(cls, pid: int, folder: Path) -> "Holder":
        """A process of our place that lives, at work in the workspace whose folder that is."""
        return cls(place(folder), pid, begun(pid))

    def had(self, row: Any) -> bool:
        """Whether it is this process that has a run, or had it last, given the run's row."""
        return (row.place, row.pid, row.begun) == (self.place, self.pid, self.begun)

    @property
    def row(self) -> dict[str, Any]:
        """Its columns of a run."""
        return asdict(self)


def is_gone(row: Any, folder: Path) -> bool | None:
    """Whether the process that a run's row names is gone; ``None`` where that cannot be known here."""
    here = place(folder)
    if not here or row.place != here or not row.pid:
        return None
    return begun(row.pid) != row.begun


def place(folder: Path) -> str:
    """Where this process is, as 32 digits; "" where the system does not say it well enough.

    The folder's own number tells a copied workspace, whose database names the processes of the original.
    """
    facts = (boot(), process_space(), machine())
    if not all(facts):
        return ""
    there = folder.stat()
    return hashlib.sha256(repr((*facts, there.st_dev, there.st_ino)).encode()).hexdigest()[:32]


@cache
def boot() -> str:
    """This start of the kernel, a random number; "" where there is none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    if Path("/proc/self").exists():
        return ""
    return answer("sysctl", "-n", "kern.bootsessionuuid")


def process_space() -> str:
    """The space that process ids are of: containers have their own. A number of one that has ended is given again,
    with none of its processes."""
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return "" if Path("/proc/self").exists() else "the only one"


def machine() -> str:
    """A random number that processes of one user on one machine share; "" where they cannot. Read each time: what
    cleans that folder may remove it, and a worker that lives for weeks must agree with the children that it starts.

    It lies where temporary files do, and in no workspace or home, which several machines may have in common. It tells
    two machines apart that were started from one snapshot of memory and so have one number of the boot.
    """
    path = Path(tempfile.gettempdir(), f"tuneloop-machine-{os.getuid()}")
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "r+") as file:
            if os.fstat(handle).st_uid != os.getuid():  # another's could be made to say anything
                return ""
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
            found = file.read().strip()
            if not found:
                found = secrets.token_hex(16)
                file.write(found)
            return found
    return ""


def begun(pid: int) -> str:
    """When a process of this space began; "" where there is none, or where it has ended and only waits to be buried."""
    if not Path("/proc/self").exists():
        return answer("ps", "-o", "lstart=", "-p", str(pid))
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name before may hold anything; see proc_pid_stat(5)
    return "" if fields[0] in "ZX" else fields[19]


def answer(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
