"""Children start, say they are ready, stop on request, and never outlive their parent."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tuneloop.processes import Child, ChildFailed, exit_reason, free_port, module_command, port_is_free

READY = "from tuneloop import processes\nimport time, sys, os\nprocesses.follow_parent(grace=0.5)\n"


def code(text: str) -> list[str]:
    return [sys.executable, "-P", "-c", READY + text]


def is_running(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False


def test_ready_facts_output_in_log_and_stop(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "child.log"
    with Child.start(
        code("print('noise')\nprocesses.say_ready(port=7)\nprint(os.environ['COLOUR'], flush=True)\ntime.sleep(60)"),
        {"COLOUR": "green"}, log=log,
    ) as child:  # fmt: skip
        assert child.ready["port"] == 7 and child.alive
        assert os.getpgid(child.pid) == child.pid != os.getpgrp()
        end = time.monotonic() + 5
        while "green" not in log.read_text(encoding="utf-8") and time.monotonic() < end:
            time.sleep(0.02)
        assert log.read_text(encoding="utf-8").split() == ["noise", "green"]
    assert child.code == -signal.SIGTERM and not is_running(child.pid)


def test_failure_before_ready_names_the_last_log_line(tmp_path: Path) -> None:
    (tmp_path / "c.log").write_text("an older run\n", encoding="utf-8")
    with pytest.raises(ChildFailed, match="exit status 3: the disk is on fire") as caught:
        Child.start(code("print('the disk is on fire', file=sys.stderr)\nsys.exit(3)"), log=tmp_path / "c.log")
    assert caught.value.code == 3
    with pytest.raises(ChildFailed, match=r"^exit status 4$"):
        Child.start(code("sys.exit(4)"), log=tmp_path / "c.log")


def test_error_report_and_slow_start(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="too big") as caught:
        Child.start(code("processes.say_error('too big', hint='smaller')\nsys.exit(2)"), log=tmp_path / "c.log")
    assert caught.value.report["hint"] == "smaller"
    with pytest.raises(ChildFailed, match=r"not ready after 0\.6 s"):
        Child.start(code("time.sleep(60)"), log=tmp_path / "c.log", ready_timeout=0.6)


def test_stop_kills_the_group_of_a_child_that_will_not_listen(tmp_path: Path) -> None:
    child = Child.start(
        code(
            "import signal, subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "grand = subprocess.Popen(['sleep', '60'])\nprocesses.say_ready(grand=grand.pid)\ntime.sleep(60)"
        ),
        log=tmp_path / "c.log",
    )
    assert child.stop(grace=0.2) == -signal.SIGKILL
    assert gone(child.ready["grand"])


def test_what_a_child_leaves_behind_goes_with_it(tmp_path: Path) -> None:
    child = Child.start(
        code("import subprocess\ngrand = subprocess.Popen(['sleep', '60'])\nprocesses.say_ready(grand=grand.pid)"),
        log=tmp_path / "c.log",
    )
    assert child.wait(10) == 0 and gone(child.ready["grand"])


@pytest.mark.parametrize("stubborn", [False, True])
def test_killed_parent_takes_the_child_along(tmp_path: Path, stubborn: bool) -> None:
    inner = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if stubborn else ""
    inner = READY + inner + "processes.say_ready()\ntime.sleep(60)"
    parent = Child.start(
        code(
            f"from pathlib import Path\nlog = Path({str(tmp_path / 'inner.log')!r})\n"
            f"inner = processes.Child.start([sys.executable, '-P', '-c', {inner!r}], log=log)\n"
            "processes.say_ready(inner=inner.pid)\ntime.sleep(60)"
        ),
        log=tmp_path / "c.log",
    )
    assert is_running(parent.ready["inner"])
    os.kill(parent.pid, signal.SIGKILL)
    assert gone(parent.ready["inner"])


def test_parent_that_ends_stops_its_children_first(tmp_path: Path) -> None:
    inner = READY + "processes.say_ready()\ntime.sleep(60)"
    parent = Child.start(
        code(
            f"from pathlib import Path\nlog = Path({str(tmp_path / 'inner.log')!r})\n"
            f"inner = processes.Child.start([sys.executable, '-P', '-c', {inner!r}], log=log)\n"
            "processes.say_ready(inner=inner.pid)\ntime.sleep(0.2)"
        ),
        log=tmp_path / "c.log",
    )
    assert parent.wait(10) == 0
    assert not is_running(parent.ready["inner"])


def test_the_working_folder_never_shadows_a_module(tmp_path: Path) -> None:
    (tmp_path / "select.py").write_text("raise SystemExit(9)", encoding="utf-8")
    (tmp_path / "json.py").write_text("raise SystemExit(9)", encoding="utf-8")
    with pytest.raises(ChildFailed, match="exit status 0"):
        Child.start(module_command("tuneloop.processes"), log=tmp_path / "c.log", cwd=tmp_path)


def test_ports_and_reasons() -> None:
    port = free_port()
    assert port_is_free("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert not port_is_free("127.0.0.1", port)
    assert exit_reason(-9) == "killed by SIGKILL (out of memory?)"
