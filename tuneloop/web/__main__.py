"""``python -m tuneloop.web --workspace DIR``: REST and console as a child process."""

import argparse
import sys
from pathlib import Path

from tuneloop import logbook, processes, server
from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.loopback import is_loopback
from tuneloop.runner import Workspace
from tuneloop.settings import use_language
from tuneloop.web.app import build_app


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tuneloop.web", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--no-auth", action="store_true")
    arguments = parser.parse_args()
    logbook.keep_private()
    processes.follow_parent()
    use_language(arguments.workspace)
    try:
        if arguments.no_auth and not is_loopback(arguments.host):
            raise TuneloopError(
                _("without keys only this machine may call, and {host} is open to others").format(host=arguments.host),
                hint=_("Listen on 127.0.0.1, or keep keys on."),
            )
        app = build_app(Workspace(arguments.workspace), auth=not arguments.no_auth, host=arguments.host)
        server.serve(app, server.listen(arguments.host, arguments.port))
        return 0
    except TuneloopError as error:
        processes.say_error(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
