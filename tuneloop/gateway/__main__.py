"""``python -m tuneloop.gateway --config FILE.json``: the gateway as a child process of whoever serves a model."""

import argparse
import os
import sys
from pathlib import Path

from tuneloop import logbook, processes, server
from tuneloop.errors import TuneloopError
from tuneloop.gateway.app import build_app
from tuneloop.gateway.config import load_config
from tuneloop.gateway.state import Gateway, workspace
from tuneloop.settings import use_language


def serve(path: Path) -> None:
    """Serve until SIGTERM, or until the parent is gone."""
    config = load_config(path)
    use_language(Path(config.workspace))
    os.environ["TUNELOOP_WORKSPACE"] = config.workspace  # an index may name an endpoint of its settings
    listening = server.listen(config.host, config.port)
    gateway = Gateway(config, workspace(config))
    try:
        gateway.open_knowledge()
    except BaseException:
        gateway.log.close()
        raise
    server.serve(build_app(config, gateway), listening, lifespan="on", timeout_keep_alive=60, date_header=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tuneloop.gateway", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file with the gateway's configuration")
    arguments = parser.parse_args()
    logbook.keep_private()
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
