"""An HTTP server as a child process: it listens, says where it answers, and stops when it is told to."""

import asyncio
import contextlib
import socket
from typing import Any

import uvicorn

from tuneloop import processes
from tuneloop.errors import Conflict
from tuneloop.foreign import told
from tuneloop.language import _

GRACE = 3  # seconds that running answers get when the server stops
BACKLOG = 2048


class Server(uvicorn.Server):
    """Says that it is ready, and its root URL, once requests are answered."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            processes.say_ready(host=host, port=port, url=f"http://{f'[{host}]' if ':' in host else host}:{port}")


def listen(host: str, port: int) -> socket.socket:
    """The listening socket; port 0 takes a free one. Raises ``Conflict`` where the port is taken."""
    try:
        family, kind, _proto, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
        return made
    except OSError as error:
        raise Conflict(
            _("cannot listen on {host}:{port}: {reason}").format(host=host, port=port, reason=told(error)),
            hint=_("Choose another port with --port."),
        ) from None


def open_more_files() -> None:
    """Raise the number of files that may be open, connections among them, to the most that this process may have."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # the system has no such limit, or keeps its own
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def serve(app: Any, listening: socket.socket, **options: Any) -> None:
    """Answer requests until SIGTERM. ``options`` are uvicorn's. What it logs goes the way of ``logbook``."""
    open_more_files()
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=GRACE, backlog=BACKLOG,
        proxy_headers=False, **options,  # who calls is who connected, not whom a header names
    )  # fmt: skip
    asyncio.run(Server(config).serve(sockets=[listening]))
