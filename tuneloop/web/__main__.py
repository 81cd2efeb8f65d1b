"""``python -m tuneloop.web --workspace DIR``: REST and console as a child process."""

import argparse
import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from tuneloop import processes
from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.runner import Workspace
from tuneloop.web.app import build_app

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Server(uvicorn.Server):
    """Says that it is ready once requests are answered."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            processes.say_ready(port=self.config.port)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tuneloop.web", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--no-auth", action="store_true")
    arguments = parser.parse_args()
    processes.follow_parent()
    try:
        if arguments.no_auth and arguments.host not in LOOPBACK:
            raise TuneloopError(
                _("without keys only this machine may call, and {host} is open to others").format(host=arguments.host),
                hint=_("Listen on 127.0.0.1, or keep keys on."),
            )
        app = build_app(Workspace(arguments.workspace), auth=not arguments.no_auth, host=arguments.host)
        config = uvicorn.Config(app, host=arguments.host, port=arguments.port, log_level="warning", access_log=False)
        asyncio.run(Server(config).serve())
        return 0
    except TuneloopError as error:
        processes.say_error(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
