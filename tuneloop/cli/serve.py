"""Long-running commands: ``serve`` (engine and gateway), ``web`` (REST and console) and ``worker``."""

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import click

from tuneloop import logbook, stopping
from tuneloop.cli.options import Choice, as_json_option, command, print_json
from tuneloop.errors import DONE, STOPPED, Conflict, TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _, stored
from tuneloop.loopback import is_loopback
from tuneloop.settings import public_origin
from tuneloop.typed import as_typed

PORT = click.IntRange(1, 65535)
ENDED = stored("The server has stopped.")
GIVEN_BACK = stored("Stopped. A run that was under way here is in the queue again.")


def check_port(host: str, port: int) -> None:
    """Raise ``Conflict`` where something listens there already."""
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Conflict(
                _("cannot listen on {host}:{port}: {reason}").format(host=host, port=port, reason=told(error)),
                hint=_("Stop what is there, or choose another with --port."),
            ) from None


def check_open(host: str, no_auth: bool) -> None:
    """Raise where callers from elsewhere would get in without a key."""
    if no_auth and not is_loopback(host):
        raise TuneloopError(
            _("--no-auth is for this machine alone, and {host} is open to others").format(host=host),
            hint=_("Listen on 127.0.0.1, or create a key: tuneloop key create NAME"),
        )


def public_url(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """The origin of ``--public-url``."""
    try:
        return public_origin(value)
    except ValueError as error:
        raise click.BadParameter(_(str(error))) from None


PUBLIC = click.option(
    "--public-url", default="", callback=public_url, metavar="URL",
    help="URL under which others call, such as https://HOST of a reverse proxy.",
)  # fmt: skip


@contextlib.contextmanager
def until_stopped(words: str) -> Iterator[None]:
    """A server, whoever has called it: SIGTERM is how it is meant to end, and it says ``words``, also after Ctrl-C."""
    signal.signal(signal.SIGTERM, stopping.terminate)
    try:
        yield
    except KeyboardInterrupt as stop:
        click.echo(_(words), err=True)
        click.get_current_context().exit(DONE if isinstance(stop, stopping.Terminated) else STOPPED)


def print_ready(text: str, *, as_json: bool, **ready: Any) -> None:
    """Say that the server answers: a line for people, or one JSON object, with what called, and nothing after it."""
    print_json({**(click.get_current_context().obj or {}), "state": "ready", **ready}) if as_json else click.echo(text)


@command()
@click.argument("model", required=False, metavar="[MODEL]")
@click.option("--knowledge", metavar="index:NAME", help="Index to answer from, with citations.")
@click.option(
    "--upstream", metavar="URL#MODEL", help="An OpenAI-compatible server that answers, instead of a local engine."
)
@click.option("--name", default="", help="Model name that callers use; the model's own name where left out.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port to listen on.")
@click.option("--no-auth", is_flag=True, help="Let callers on this machine in without a key.")
@click.option(
    "--parallel", type=click.IntRange(1), default=4, show_default=True, help="Requests that the engine answers at once."
)
@click.option(
    "--context",
    type=click.IntRange(0),
    default=0,
    help="Tokens of context, shared by the requests answered at once; 0 chooses.",
)
@click.option(
    "--passages",
    type=click.IntRange(0, 50),
    default=0,
    help="Most passages that the model is shown with a question; 0 takes as many as it learned to answer from.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(0),
    default=4096,
    show_default=True,
    help="Longest answer where a request names no limit, in tokens; 0 leaves it to the server.",
)
@click.option(
    "--timeout",
    type=click.IntRange(1),
    default=600,
    show_default=True,
    help="Seconds that the model may say nothing before its request is given up.",
)
@click.option("--mark-unsupported", is_flag=True, help="Mark sentences whose words were not found in the text as well.")
@click.option(
    "--verifier", default="rules", show_default=True, metavar="NAME",
    help="What holds the sentences of an answer against its passages; others than rules are of installed packages.",
)  # fmt: skip
@click.option(
    "--guardrail", "guardrails", multiple=True, metavar="NAME",
    help="What looks at questions and answers, of an installed package; more than once for several, in order.",
)  # fmt: skip
@click.option("--language", type=Choice(["en", "zh"]), help="Language of the chat page; the browser's where left out.")
@PUBLIC
@as_json_option
@until_stopped(ENDED)
def serve(model: str | None, knowledge: str | None, upstream: str | None, name: str, host: str, port: int,
          no_auth: bool, public_url: str, parallel: int, context: int, passages: int, max_tokens: int, timeout: int,
          mark_unsupported: bool, verifier: str, guardrails: tuple[str, ...], language: str | None,
          as_json: bool) -> None:  # fmt: skip
    """Serve a model behind the gateway, with cited answers where it is given knowledge.

    Runs until Ctrl-C. The chat page is at the root of the address; the OpenAI-compatible API is below /v1.
    """
    from tuneloop import serving
    from tuneloop.answer.verifiers import VERIFIERS
    from tuneloop.guardrails import GUARDRAILS
    from tuneloop.runner import Workspace, looked_into

    if bool(model) == bool(upstream):
        raise TuneloopError(
            _("say either a model or --upstream"), hint=_("See: tuneloop {stage} --help").format(stage="serve")
        )
    logbook.keep_private()
    check_open(host, no_auth)
    check_port(host, port)
    VERIFIERS.find(verifier)
    for guardrail in guardrails:
        GUARDRAILS.find(guardrail)
    with looked_into() as found:  # before anything is made, and before an engine is begun
        address = served(found, model) if model else ""
        index = found.address(knowledge, "index") if knowledge else None
        endpoint = serving.endpoint(found.store, upstream) if upstream else None
    workspace = Workspace()
    store = workspace.store
    shown = {
        "knowledge": index, "passages": passages, "mark_unsupported": mark_unsupported, "max_tokens": max_tokens,
        "timeout": timeout, "guardrails": list(guardrails), "verifier": verifier,
    }  # fmt: skip
    running = None
    with contextlib.ExitStack() as stack:
        if endpoint:
            key_env = "TUNELOOP_ENDPOINT_KEY"  # the gateway inherits it, whichever source the endpoint names
            os.environ[key_env] = endpoint.api_key()
            routes = [
                serving.route(
                    store, name or endpoint.model, endpoint.url, endpoint.model, api_key_env=key_env,
                    context_length=context, **shown,
                )
            ]  # fmt: skip
        else:
            options = {"parallel": parallel, "context": context, "log": f"engine-{port}"}
            running, runnable = local_engine(workspace, stack, str(model), address, quiet=as_json, **options)
            label = str(model).partition(":")[2] or str(model)
            routes = [serving.engine_route(store, name or label, running, model_address=runnable, **shown)]
        gateway = stack.enter_context(
            serving.gateway_process(
                store,
                routes,
                log=f"gateway-{port}",
                host=host,
                port=port,
                auth=not no_auth,
                language=language or "",
                public_url=public_url,
            )
        )
        if not no_auth and not any(k.revoked is None for k in store.keys.all()):
            click.echo(as_typed(_("There is no key yet. Make one with: tuneloop key create NAME")), err=True)
        url, names = gateway.url, [r["name"] for r in routes]
        text = _("Serving {name} at {url}/v1 · chat page: {url}/ · Ctrl-C stops").format(name=names[0], url=url)
        print_ready(text, as_json=as_json, url=url, models=names, knowledge=index)
        serving.stay(gateway.child, running)


def served(workspace: Any, model: str) -> str:
    """The address of a model that an engine here is to serve. Raises where it is not here."""
    if workspace.is_endpoint(model):
        message = _("{value!r} is a server, and this needs a model whose weights are here").format(value=model)
        raise TuneloopError(message, hint=_("Say: tuneloop serve --upstream {value}").format(value=model))
    return workspace.address(model, "model", here=True)


def local_engine(
    workspace: Any, stack: contextlib.ExitStack, model: str, address: str, *, quiet: bool, **options: Any
) -> tuple[Any, str]:
    """Start the engine of a local model; with the address of what it loads. Refuses a template that does not match."""
    from tuneloop import serving
    from tuneloop.cli.display import Display

    with Display(quiet=quiet) as display:
        runnable = workspace.runnable(address, watch=display.watch)
    click.echo(_("Loading {model}…").format(model=model), err=True)
    running = stack.enter_context(serving.engine(workspace.store, runnable, **options))
    return running, runnable


@command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8001, show_default=True, help="Port to listen on.")
@click.option("--no-auth", is_flag=True, help="Let callers on this machine in without a key.")
@PUBLIC
@click.option("--no-worker", is_flag=True, help="Do not execute queued runs here.")
@as_json_option
def web(host: str, port: int, no_auth: bool, public_url: str, no_worker: bool, as_json: bool) -> None:
    """Serve the REST interface and the console pages, and execute queued runs.

    Runs until Ctrl-C. The REST interface is below /api, its OpenAPI description at /api/openapi.json.
    """
    from tuneloop import processes, serving
    from tuneloop.runner import Workspace
    from tuneloop.worker import work

    logbook.keep_private()
    check_open(host, no_auth)
    check_port(host, port)
    workspace = Workspace()
    place = ("--workspace", str(workspace.store.root), "--host", host, "--port", str(port))
    argv = processes.module_command("tuneloop.web", *place)
    if no_auth:
        argv.append("--no-auth")
    if outside := public_url or workspace.store.settings.console_url:
        argv += ["--public-url", outside]
    with contextlib.ExitStack() as stack:
        stack.enter_context(until_stopped(ENDED if no_worker else GIVEN_BACK))
        try:
            child = processes.Child.start(argv, log=workspace.store.logs / f"web-{port}.log", ready_timeout=60)
        except processes.ChildFailed as failed:
            raise TuneloopError(_("the console did not start: {reason}").format(reason=failed.message)) from None
        stack.enter_context(child)
        stack.enter_context(serving.while_alive(child))
        url = child.ready["url"]
        text = _("Console at {url}/ · REST below /api · Ctrl-C stops").format(url=outside or url)
        print_ready(text, as_json=as_json, url=url, public_url=outside or None, worker=not no_worker)
        if no_worker:
            child.wait()
        else:
            work(workspace)


@command()
@click.option("--once", is_flag=True, help="End when nothing is queued.")
@click.option(
    "--runs", type=click.IntRange(0), default=0, show_default=True,
    help="Most runs that are executed at once; 0 takes as many as the machine has cores, memory and GPUs for.",
)  # fmt: skip
@as_json_option
@until_stopped(GIVEN_BACK)
def worker(once: bool, runs: int, as_json: bool) -> None:
    """Execute queued runs, the oldest first, until interrupted."""
    from tuneloop.runner import Workspace
    from tuneloop.worker import work

    logbook.keep_private()
    workspace = Workspace()
    if as_json:
        print_ready("", as_json=True, workspace=str(workspace.store.root))
    work(workspace, once=once, runs=runs)
