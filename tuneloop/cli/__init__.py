"""The command line. Stage commands come from the stage classes; the others are loaded when they are called."""

import gettext
import os
import re
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import click

from tuneloop import __version__, logbook, stopping
from tuneloop.cli.formatter import Context
from tuneloop.cli.options import HelpfulGroup, is_empty, print_json, printed
from tuneloop.errors import BUG, DONE, UNDONE, TuneloopError
from tuneloop.language import LOCALES, _, current_language, joined
from tuneloop.nearest import meant
from tuneloop.scripts import HAN
from tuneloop.settings import FOLDER, find_workspace, use_language
from tuneloop.typed import as_typed, started

STAGES_TITLE = "Stages, in the order of the life cycle"
# One line of help for each built-in stage; that of an installed package is the first line of its docstring.
STAGES = {
    "parse": "Read Markdown, HTML, text, CSV, Word and PDF as documents.",
    "chunk": "Cut documents into passages.",
    "index": "Make passages searchable, by words and by meaning.",
    "synthesize": "Have a teacher model write questions and answers.",
    "import": "Import a dataset: JSONL, JSON, CSV, Parquet.",
    "split": "Keep a part of a dataset apart for evaluation.",
    "train": "Fine-tune a model on a dataset with LoRA.",
    "compress": "Merge an adapter and write the model in fewer bits.",
    "evaluate": "Measure a model, and compare it with another.",
    "loadtest": "Measure how fast a server answers under load.",
}

# Commands that are not stages, in the groups of the help: name -> (module:attribute, one line of help).
GROUPS = {
    "The whole job": {
        "demo": ("tuneloop.cli.demo:demo", "Run the whole life cycle on documents and write a report."),
        "run": ("tuneloop.cli.loop:run", "Run the stages listed in a TOML file, in order."),
    },
    "Serving": {
        "serve": ("tuneloop.cli.serve:serve", "Serve a model behind the gateway, with cited answers."),
        "web": ("tuneloop.cli.serve:web", "Serve the REST interface and the console pages."),
        "worker": ("tuneloop.cli.serve:worker", "Execute queued runs until interrupted."),
        "key": ("tuneloop.cli.keys:key", "Create, list and revoke API keys."),
    },
    "What was made": {
        "ls": ("tuneloop.cli.lists:ls", "List artifacts, or runs."),
        "show": ("tuneloop.cli.artifacts:show", "Show one artifact or one run."),
        "lineage": ("tuneloop.cli.artifacts:lineage", "Show what an artifact was made from, or what from it."),
        "export": ("tuneloop.cli.export:export", "Write a dataset as a file for other tools."),
        "diff": ("tuneloop.cli.artifacts:diff", "Compare two artifacts of one kind."),
        "tag": ("tuneloop.cli.artifacts:tag", "Give an artifact a name."),
        "untag": ("tuneloop.cli.removal:untag", "Take a name away from an artifact."),
        "rm": ("tuneloop.cli.removal:rm", "Remove an artifact."),
        "gc": ("tuneloop.cli.removal:gc", "Remove artifacts that no name leads to, and leftovers."),
        "cancel": ("tuneloop.cli.artifacts:cancel", "Cancel a queued or running run."),
    },
    "Models and this machine": {
        "models": ("tuneloop.cli.models:models", "List the model catalogue, or pull a model."),
        "doctor": ("tuneloop.cli.doctor:doctor", "Say what this machine can do and what is missing."),
    },
}
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}


class Commands(HelpfulGroup):
    """Finds a command among the stages and the list above, importing no more than needed."""

    context_class = Context

    def get_help(self, ctx: click.Context) -> str:
        self.help = _("From a team's own documents to a tuned, measured, cited and served language model.")
        texts = {"workspace": _("Folder of the workspace."), "version": _("Show the version and exit.")}
        for parameter in self.params:
            if isinstance(parameter, click.Option):
                parameter.help = texts.get(parameter.name or "", parameter.help)
        return super().get_help(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        from tuneloop.registry import targets

        return [*(name for name in targets() if name != "pull"), *COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module, _colon, attribute = COMMANDS[cmd_name][0].partition(":")
            return getattr(import_module(module), attribute)
        from tuneloop.registry import find_stage, targets

        if cmd_name not in targets():
            return None
        from tuneloop.cli.stages import stage_command

        return stage_command(find_stage(cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from tuneloop.registry import BUILT_IN, targets
        from tuneloop.registry import STAGES as DOOR

        brought = {name: first_line(stage.__doc__) for name in DOOR.brought() if (stage := DOOR.usable(name))}
        texts = {n: STAGES[n] if n in BUILT_IN else brought[n] for n in targets() if n != "pull"}
        whole, *rest = GROUPS
        parts = [(whole, GROUPS[whole]), (STAGES_TITLE, texts)]
        width = max(map(len, (*texts, *COMMANDS)))
        for title, group in [*parts, *((title, GROUPS[title]) for title in rest)]:
            with formatter.section(_(title)):
                lines = {name: text if isinstance(text, str) else text[1] for name, text in group.items()}
                formatter.write_dl([(name.ljust(width), _(text)) for name, text in lines.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from tuneloop.registry import STAGES as DOOR
        from tuneloop.translations import TRANSLATIONS

        if unfit := {**DOOR.unfit, **{one.declared.name: one for one in TRANSLATIONS.unfit.values()}}:
            with formatter.section(_("Left out")):
                formatter.write_dl([(name, one.message) for name, one in sorted(unfit.items())])
        formatter.write_paragraph()
        formatter.write_text(as_typed(_("Options of one command: tuneloop chunk -h")))


def first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tuneloop")
@click.option("--workspace", "-w", metavar="DIR", envvar="TUNELOOP_WORKSPACE")
@click.pass_context
def root(ctx: click.Context, workspace: str | None) -> None:
    if ctx.get_parameter_source("workspace") is click.core.ParameterSource.COMMANDLINE:
        if not workspace:
            raise is_empty("--workspace")
        os.environ.pop("TUNELOOP_WORKSPACE", None)
        found_again = find_workspace() == Path(workspace).expanduser().resolve()
        started(sys.argv[0], "" if found_again else workspace)
    if workspace:
        os.environ["TUNELOOP_WORKSPACE"] = workspace


def main(arguments: list[str] | None = None) -> None:
    """Entry point. What it ends with is said in ``errors``."""
    arguments = sys.argv[1:] if arguments is None else arguments
    printed.clear()
    for stream in (sys.stdout, sys.stderr):  # a sign that the terminal does not know is no reason to fail
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    started(sys.argv[0])
    workspace = workspace_of(arguments)
    use_language(workspace)
    if current_language() == "zh":  # click asks gettext for its own words, and gettext reads this variable
        os.environ["LANGUAGE"] = "zh_CN"
        gettext.bindtextdomain("tuneloop", LOCALES)
        gettext.textdomain("tuneloop")
    warn_of_variables(workspace)
    try:
        sys.exit(root.main(arguments, prog_name="tuneloop", standalone_mode=False) or DONE)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt) as stop:
        interrupted(stop, arguments)
    except click.ClickException as error:
        fail(worded(error), arguments)
    except BrokenPipeError:
        sys.exit(DONE)
    except TuneloopError as error:
        fail(str(error), arguments, error)
    except Exception as error:
        from tuneloop.store.database import fixable

        known = fixable(error, find_workspace() / FOLDER)
        if known is None:
            if "--json" in arguments:
                text = logbook.kind(error) if logbook.is_private() else f"{type(error).__name__}: {error}"
                print_failure(text, arguments, None, status=BUG)
            raise
        fail(str(known), arguments, known)


def warn_of_variables(workspace: Path) -> None:
    """One line on standard error for variables that look like settings and are none, as a mistyped one does."""
    from tuneloop.settings import unknown_variables

    if strange := unknown_variables(workspace):
        text = _("environment variables that nothing reads: {names}").format(names=joined(strange))
        click.echo(f"tuneloop: {text}", err=True)


def worded(error: click.ClickException) -> str:
    """Click's message, with the option that was most likely meant, or where the options are described."""
    from tuneloop.cli.words import told_by_click

    ctx = getattr(error, "ctx", None)
    if ctx is None or not isinstance(error, click.UsageError):
        return told_by_click(error)
    hint = _("See: {command} -h").format(command=ctx.command_path)
    if isinstance(error, click.NoSuchOption):
        known = [o for p in ctx.command.get_params(ctx) for o in (*p.opts, *p.secondary_opts) if o.startswith("-")]
        hint = meant(error.option_name, known) or hint
        error = click.UsageError(error.message)  # without click's own suggestion
    message = told_by_click(error)
    return message if message.endswith(("?", "？")) else str(TuneloopError(message, hint=hint))


def workspace_of(arguments: list[str]) -> Path:
    """The workspace that was typed, before what else was typed is looked at: help and its errors have a language."""
    named = typed_before_command(arguments).params.get("workspace")
    return Path(named).expanduser() if named else find_workspace()


def typed_before_command(arguments: list[str]) -> click.Context:
    """The program's own options, whatever is wrong with them and what follows, which is in the context's ``args``."""
    return root.make_context("tuneloop", list(arguments) or [""], resilient_parsing=True)


def interrupted(stop: BaseException, arguments: list[str]) -> NoReturn:
    """Ctrl-C or SIGTERM of anything but a server, which has words of its own."""
    kept = _("Stopped. What was done is kept; the same command continues there.")
    click.echo(kept if resumes(arguments) else _("Stopped. Nothing was kept; the same command begins anew."), err=True)
    sys.exit(stopping.status(stop))


def resumes(arguments: list[str]) -> bool:
    """Whether what was typed goes on where it was stopped: all but some stages that are quick to do again."""
    from tuneloop.registry import find_stage

    stage = stage_of(arguments)
    return find_stage(stage).resumes if stage else True


def stage_of(arguments: list[str]) -> str | None:
    """The stage that was typed, if any."""
    from tuneloop.registry import targets

    word = command_of(arguments)
    return word if word in targets() else None


def command_of(arguments: list[str]) -> str | None:
    """The command that was typed: the first word, after the options that stand before one."""
    return next((a for a in HelpfulGroup.typed(typed_before_command(arguments)) if not a.startswith("-")), None)


def print_failure(message: str, arguments: list[str], error: TuneloopError | None, *, status: int) -> None:
    """The one JSON object of a command that failed; nothing where it has said its object already."""
    if printed:
        return
    result, more = getattr(error, "result", None), getattr(error, "more", {})
    nothing = {"run": None, "stage": stage_of(arguments), "state": "failed", "output": None, "metrics": {}}
    body: dict[str, Any] = {**nothing, "seconds": 0.0} if result is None else result.as_json()
    print_json({**body, **more, "error": " ".join(message.split()), "status": status})


def fail(message: str, arguments: list[str], error: TuneloopError | None = None) -> None:
    """One line on standard error, and with ``--json`` one object on standard output."""
    status = BUG if getattr(error, "bug", False) else UNDONE
    if "--json" in arguments:
        print_failure(message, arguments, error, status=status)
    line = as_typed(" ".join(message.split()))
    line = re.sub(rf"\. (?=[{HAN}])|。 ", "。", line)  # before a Chinese hint, a Chinese stop
    click.echo(f"tuneloop: {line}", err=True)
    sys.exit(status)
