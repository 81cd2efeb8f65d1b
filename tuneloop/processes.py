"""Child processes that live no longer than their parent.

The parent holds the write end of the child's standard input and never writes to it. When the parent ends, however it
ends, the child reads end-of-file, stops what it does, and leaves. A child leads a session of its own, so Ctrl-C in a
terminal reaches the parent alone, which then stops its children in order.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tuneloop import permissions
from tuneloop.foreign import quoted
from tuneloop.language import _

PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent)


class ChildFailed(Exception):
    """A child ended, or said nothing, before it was ready.

    ``report`` is the error object that the child printed, if any; ``code`` its exit status (None: it was killed for
    being too slow); ``line`` the last line of its log.
    """

    def __init__(self, message: str, *, report: dict[str, Any] | None = None, code: int | None = None, line: str = ""):
        super().__init__(message)
        self.message, self.report, self.code, self.line = message, report or {}, code, line


class Child:
    """A running child process and its ready line."""

    def __init__(
        self, process: subprocess.Popen[bytes], log: Path, log_start: int = 0,
        keep: Callable[[bytes], bytes] | None = None,
    ) -> None:  # fmt: skip
        self.process, self.log, self._log_start = process, log, log_start
        self.ready: dict[str, Any] = {}
        self.report: dict[str, Any] = {}  # what the child said instead of being ready
        self._spoke, self._ended = threading.Event(), threading.Event()
        RUNNING.append(self)
        threading.Thread(target=self._listen, name=f"child-{process.pid}-stdout", daemon=True).start()
        self._written = threading.Thread(
            target=self._sift, args=(keep,), name=f"child-{process.pid}-stderr", daemon=True
        )
        if keep:
            self._written.start()
        threading.Thread(target=self._watch, name=f"child-{process.pid}-exit", daemon=True).start()

    @classmethod
    def start(
        cls, argv: Sequence[str], env: Mapping[str, str] | None = None, *, log: Path, ready_timeout: float = 60.0,
        cwd: Path | None = None, keep: Callable[[bytes], bytes] | None = None,
    ) -> "Child":  # fmt: skip
        """Start ``argv`` (see ``module_command``) and wait until it says that it is ready.

        ``env`` adds to this process's environment; standard error is appended to ``log``, which only its owner may
        read. ``keep`` says what may be kept of each line, once the child is ready. Raises ``ChildFailed``.
        """
        permissions.make_folder(log.parent)
        environment = {**os.environ, **(env or {})}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (PACKAGE_ROOT, environment.get("PYTHONPATH"))))
        with permissions.open_append(log) as errors:
            log_start = errors.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE if keep else errors,
                env=environment, cwd=cwd, start_new_session=True, umask=permissions.UMASK,
            )  # fmt: skip
        child = cls(process, log, log_start, keep)
        try:
            child._wait_until_ready(ready_timeout)
        except BaseException:  # Ctrl-C while waiting must not leave it behind
            child.stop(grace=1.0)
            raise
        return child

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def code(self) -> int | None:
        """Exit status; negative for the signal that ended it; None while it lives."""
        return self.process.poll()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end; the exit status, or None where it still lives after ``timeout`` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(timeout)
        return None

    def stop(self, grace: float = 5.0) -> int | None:
        """SIGTERM, ``grace`` seconds, then SIGKILL for the whole group. Returns the exit status. Safe to call twice."""
        with contextlib.suppress(ProcessLookupError):
            if self.alive:
                self.process.terminate()
        if self.wait(grace) is None:
            kill_group(self.pid)
            self.wait(5.0)
        self._ended.wait(2.0)
        return self.code

    def last_line(self) -> str:
        """The last line that this child wrote into its log, or ""."""
        if self.process.stderr and not self.alive:
            self._written.join(2.0)
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_start, size - 8192))
                lines = file.read().decode("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.stop()

    def _wait_until_ready(self, timeout: float) -> None:
        self._spoke.wait(timeout)
        if self.ready:
            return
        if self.report:
            code = self.wait(2.0)
            raise ChildFailed(str(self.report.get("error", "")), report=self.report, code=code, line=self.last_line())
        code = self.wait(1.0) if self._spoke.is_set() else self.code
        line = self.last_line()
        if code is None:
            raise ChildFailed(with_line(_("not ready after {:g} s").format(timeout), line), line=line)
        raise ChildFailed(with_line(exit_reason(code), line), code=code, line=line)

    def _listen(self) -> None:
        """Take the ready line; everything else a child prints goes to its log, so that it never blocks on a pipe."""
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError), permissions.open_append(self.log) as log:
            for line in self.process.stdout:
                said = parse_object(line) if not self._spoke.is_set() else None
                if said and said.get("ready"):
                    self.ready = said
                elif said and "error" in said:
                    self.report = said
                else:
                    log.write(line)
                    log.flush()
                    continue
                self._spoke.set()
        self._spoke.set()

    def _sift(self, keep: Callable[[bytes], bytes]) -> None:
        """Write what may be kept of standard error. Until the child is ready nobody has asked it anything."""
        assert self.process.stderr is not None
        with contextlib.suppress(OSError, ValueError), permissions.open_append(self.log) as log:
            for line in self.process.stderr:
                log.write(keep(line) if self.ready else line)
                log.flush()

    def _watch(self) -> None:
        """Reap the child and, at once, what it left behind in its group."""
        self.process.wait()
        kill_group(self.pid)
        if self.process.stderr:
            self._written.join(2.0)
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        with contextlib.suppress(ValueError):
            RUNNING.remove(self)
        self._ended.set()


RUNNING: list[Child] = []  # started here and not yet ended, oldest first


@atexit.register
def stop_children() -> None:
    """Stop every child of this process, the newest first."""
    for child in reversed(RUNNING[:]):
        child.stop()


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of Tuneloop in this Python; files of the working folder never shadow modules."""
    return [sys.executable, "-P", "-m", module, *arguments]


def follow_parent(stop: Callable[[], None] | None = None, grace: float = 5.0) -> None:
    """In a child: when the parent is gone call ``stop`` (default: SIGTERM), and ``grace`` seconds later die."""
    parent = os.getppid()
    threading.Thread(target=_follow, args=(parent, stop, grace), name="follow-parent", daemon=True).start()


def _follow(parent: int, stop: Callable[[], None] | None, grace: float) -> None:
    while os.getppid() == parent:  # also seen here: a parent whose forked copy still holds the pipe
        try:
            readable, _, _ = select.select([0], [], [], 1.0)
            if readable and not os.read(0, 4096):
                break
        except (OSError, ValueError):  # standard input was closed
            time.sleep(1.0)
    if stop:
        with contextlib.suppress(Exception):
            stop()
    else:
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    if os.getpgrp() == os.getpid():
        kill_group(os.getpid())
    os._exit(1)


def say_ready(**facts: Any) -> None:
    """In a child: tell the parent that the work can begin. ``facts`` become ``Child.ready``."""
    print(json.dumps({"ready": True, **facts}), flush=True)


def say_error(message: str, **facts: Any) -> None:
    """In a child: tell the parent why it will not be ready. ``facts`` become ``ChildFailed.report``."""
    print(json.dumps({"error": message, **facts}), flush=True)


def parse_object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def kill_group(leader: int) -> None:
    """SIGKILL for a process and its group, if they are there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def with_line(reason: str, line: str) -> str:
    return _("{name}: {value}").format(name=reason, value=quoted(line)) if line else reason


def exit_reason(code: int) -> str:
    """``"exit status 3"`` or ``"killed by SIGKILL (out of memory?)"``, in the user's language."""
    if code >= 0:
        return _("exit status {code}").format(code=code)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    ended = _("killed by {signal} (out of memory?)") if name == "SIGKILL" else _("killed by {signal}")
    return ended.format(signal=name)


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
