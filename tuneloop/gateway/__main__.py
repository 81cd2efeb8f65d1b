"""``python -m tuneloop.gateway --config FILE.json``: the gateway as a child process of whoever serves a model."""

import argparse
import asyncio
import logging
import os
import socket
import sys
from pathlib import Path

import uvicorn

from tuneloop import processes
from tuneloop.errors import Conflict, TuneloopError
from tuneloop.gateway.app import build_app
from tuneloop.gateway.config import GatewayConfig, load_config
from tuneloop.gateway.state import Gateway, workspace
from tuneloop.language import _

GRACE = 3  # seconds that running answers get when the gateway stops
BACKLOG = 2048


class Server(uvicorn.Server):
    """Says that it is ready once requests are answered."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            processes.say_ready(host=host, port=port, url=f"http://{f'[{host}]' if ':' in host else host}:{port}")


def listen(config: GatewayConfig) -> socket.socket:
    """The listening socket. Raises ``Conflict`` where the port is taken."""
    try:
        family, kind, _proto, _name, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
        return made
    except OSError as error:
        raise Conflict(
            _("cannot listen on {host}:{port}: {reason}").format(
                host=config.host, port=config.port, reason=error.strerror or error
            ),
            hint=_("Choose another port with --port."),
        ) from None


def serve(path: Path) -> None:
    """Serve until SIGTERM, or until the parent is gone."""
    config = load_config(path)
    os.environ["TUNELOOP_WORKSPACE"] = config.workspace  # an index may name an endpoint of its settings
    made = listen(config)
    gateway = Gateway(config, workspace(config))
    try:
        gateway.open_knowledge()
    except BaseException:
        gateway.log.close()
        raise
    settings = uvicorn.Config(
        build_app(config, gateway), log_level="warning", access_log=False, server_header=False, lifespan="on",
        timeout_graceful_shutdown=GRACE, backlog=BACKLOG, timeout_keep_alive=60, date_header=False,
    )  # fmt: skip
    asyncio.run(Server(settings).serve(sockets=[made]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tuneloop.gateway", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file with the gateway's configuration")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    sys.setswitchinterval(0.001)  # the log's thread may hold up the first token no longer than a millisecond
    processes.follow_parent()
    try:
        serve(arguments.config)
        return 0
    except TuneloopError as error:
        processes.say_error(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
