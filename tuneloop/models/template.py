"""The one chat-template renderer: the same text as ``apply_chat_template`` of Hugging Face transformers.

Trainer, evaluator and the engine's parity check all render through here. The template comes with a model and is
not trusted: it runs in Jinja's immutable sandbox.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tuneloop.errors import TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _
from tuneloop.records import Message

if TYPE_CHECKING:
    from jinja2 import Template


def template_hash(template: str) -> str:
    """``sha256:…`` of a chat template's UTF-8 bytes, or "" for no template."""
    return "sha256:" + hashlib.sha256(template.encode()).hexdigest() if template else ""


def render(
    template: str,
    messages: Sequence[Message | Mapping[str, Any]],
    add_generation_prompt: bool = False,
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    documents: Sequence[Mapping[str, Any]] | None = None,
    **variables: Any,
) -> str:
    """The text that a model reads for a conversation.

    ``variables`` are what the template asks for beside the messages: ``bos_token``, ``eos_token``,
    ``enable_thinking`` (``ModelCard.template_variables()`` gives them). Raises ``TuneloopError`` where the template is
    not valid or refuses the conversation.
    """
    from jinja2 import TemplateError

    if not template:
        raise TuneloopError(_("this model has no chat template"), hint=_("Choose an instruction-tuned model."))
    plain = [m.as_said() if isinstance(m, Message) else m for m in messages]
    try:
        return compile_template(template).render(
            messages=plain, tools=tools, documents=documents, add_generation_prompt=add_generation_prompt, **variables
        )
    except TemplateError as error:
        raise TuneloopError(_("the chat template refuses this conversation: {}").format(told(error))) from None
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        raise TuneloopError(_("the chat template fails on this conversation: {}").format(told(error))) from None


@lru_cache(maxsize=64)
def compile_template(template: str) -> Template:
    """A template in the sandbox, with the filters and functions that Hugging Face templates expect."""
    from jinja2.ext import Extension, loopcontrols
    from jinja2.nodes import CallBlock
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}…{% endgeneration %}`` marks what the assistant writes; the text is kept as it is."""

        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

        def _same(self, caller) -> str:
            return caller()

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    return environment.from_string(template)


def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None,
           sort_keys: bool = False) -> str:  # fmt: skip
    """JSON without HTML escapes, as transformers has it (Jinja's own filter writes ``\\u003c`` for ``<``)."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


def strftime_now(pattern: str) -> str:
    return datetime.datetime.now().strftime(pattern)
