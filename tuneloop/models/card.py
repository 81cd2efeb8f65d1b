"""What a model is, written beside its weights as ``model.json``, so that what was trained is what is served."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _
from tuneloop.records import Message
from tuneloop.settings import describe_invalid

FILE = "model.json"


class TokenCheck(BaseModel):
    """A probe conversation and what the trainer's tokenizer made of it; the engine must give the same ids."""

    model_config = ConfigDict(extra="forbid")

    messages: list[Message]
    text: str
    token_ids: list[int]

    @field_serializer("messages")
    def _as_said(self, messages: list[Message]) -> list[dict[str, Any]]:
        return [message.as_said() for message in messages]


class ModelCard(BaseModel):
    """Everything that serving, evaluating and training on must agree on about one model."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["gguf", "hf", "adapter"] = Field(
        default="gguf", description="gguf, hf (safetensors) or adapter (LoRA)."
    )
    base: str = Field(default="", description="Address of the model that this one was made from.")
    name: str = Field(default="", description="The model's name, for people.")
    architecture: str = Field(default="", description="llama, qwen2, qwen3, …")
    parameters: int = Field(default=0, description="Number of weights.")
    quantization: str = Field(default="", description="q8_0, q4_k_m, bf16, f16, …")
    file: str = Field(default="", description="The GGUF file, relative to the artifact.")
    chat_template: str = Field(default="", description="Jinja template that turns messages into text.")
    template_sha256: str = Field(default="", description="Hash of the template, tagged sha256:.")
    special_tokens: dict[str, str] = Field(
        default={}, description="bos_token and eos_token, as the template sees them."
    )
    system_prompt: str = Field(default="", description="Put first where a conversation brings no system message.")
    stop: list[str] = Field(default=[], description="Texts that end an answer.")
    thinking: bool | None = Field(
        default=None, description="Value of enable_thinking; None where the template has no switch."
    )
    context_length: int = Field(default=0, description="Tokens the model was trained to read.")
    passages: int = Field(default=0, description="Passages it learned to answer from at once; 0 where from none.")
    licence: str = Field(default="", description="SPDX identifier, or the licence's name.")
    source: str = Field(default="", description="Where the weights came from.")
    sha256: dict[str, str] = Field(default={}, description="SHA-256 of each file as it was received.")
    languages: list[str] = []
    token_check: list[TokenCheck] = []

    def template_variables(self) -> dict[str, Any]:
        """What ``render`` needs beside the messages: special tokens, and the thinking switch where there is one."""
        variables: dict[str, Any] = dict(self.special_tokens)
        if self.thinking is not None:
            variables["enable_thinking"] = self.thinking
        return variables


def write_card(folder: Path, card: ModelCard) -> None:
    """Write ``model.json`` into a model's folder."""
    text = json.dumps(card.model_dump(), ensure_ascii=False, indent=1)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_card(folder: Path) -> ModelCard:
    """The card of a model's folder. Raises ``TuneloopError`` where there is none or it is damaged."""
    path = folder / FILE
    try:
        return ModelCard.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise NotFound(_("this folder holds no Tuneloop model: model.json is missing"), where=str(folder)) from None
    except OSError as error:
        raise TuneloopError(_("cannot read the model card: {}").format(told(error)), where=str(path)) from None
    except ValidationError as error:
        raise TuneloopError(describe_invalid(error, ModelCard), where=str(path)) from None
    except ValueError as error:
        raise TuneloopError(_("not valid JSON: {}").format(told(error)), where=str(path)) from None
