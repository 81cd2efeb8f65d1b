"""Found first on PYTHONPATH, this writes down every attempt of a Python process to reach another machine."""

import os
import sys


def is_here(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host or "")
    return text in ("", "localhost", "::1", "0.0.0.0") or text.startswith("127.")


def note(event: str, arguments: tuple) -> None:
    said = ""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not is_here(arguments[1][0]):
        said = f"connect {arguments[1]}"
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and not is_here(arguments[0]):
        said = f"look up {arguments[0]}"
    elif event == "subprocess.Popen" and "pip" in map(str, arguments[1] or ()):
        said = f"start {' '.join(map(str, arguments[1]))}"
    if said:
        with open(os.environ["TUNELOOP_TEST_WITNESS"], "a", encoding="utf-8") as file:  # noqa: PTH123 (at start-up)
            file.write(said + "\n")


if os.environ.get("TUNELOOP_TEST_WITNESS"):
    sys.addaudithook(note)
