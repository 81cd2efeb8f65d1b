"""Conversations on which the trainer's tokenizer and the engine's are compared, and a model with its smaller copy.

They hold what tokenizers disagree on: digits, Chinese, code, white space, emoji, several turns, a system message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneloop.models.card import ModelCard, TokenCheck
from tuneloop.models.template import render
from tuneloop.records import Message

if TYPE_CHECKING:
    from tuneloop.models.weights import Tokenizer

# system, user and assistant in turn; a conversation that ends with the user is rendered as a prompt
PROBES: tuple[tuple[str, ...], ...] = (
    ("", "How do I reset my password?", "Open Settings, choose Account, and click “Reset password”."),
    ("", "如何重置密码？", "打开“设置”,选择“账户”,然后点击“重置密码”。"),
    ("", "List the ports: 80, 443 and 8080.", "1. 80 (HTTP)\n2. 443 (HTTPS)\n3. 8080\n\nThat makes 3 ports in 2026."),
    ("You answer briefly.", "What is 12345 × 67?", "12345 × 67 = 827115."),
    ("你是一名图书馆助理。", "周一几点开门？", "周一上午 9:00 开门，下午 17:30 关门。"),
    ("", "Show a loop in Python.", "```python\nfor i in range(10):\n    print(i)\n```"),
    ("", "Hello!", "Hello! How can I help you?", "谢谢 😀", "不客气！"),
    ("", "The documents do not say how long a refund takes. How long does it take?"),
)


def probe_messages(probe: tuple[str, ...]) -> list[Message]:
    """A probe as messages; an empty system text means none."""
    turns = [Message(role="user" if i % 2 == 0 else "assistant", content=text) for i, text in enumerate(probe[1:])]
    return [Message(role="system", content=probe[0]), *turns] if probe[0] else turns


def token_check(card: ModelCard, tokenizer: Tokenizer) -> list[TokenCheck]:
    """What ``tokenizer`` makes of each probe under the card's template; those that it refuses are left out."""
    from tuneloop.errors import TuneloopError

    checks = []
    for probe in PROBES:
        messages = probe_messages(probe)
        ask = messages[-1].role == "user"
        try:
            text = render(card.chat_template, messages, add_generation_prompt=ask, **card.template_variables())
        except TuneloopError:  # Gemma has no system role
            continue
        text = tokenizer.complete(text)
        checks.append(TokenCheck(messages=messages, text=text, token_ids=tokenizer.encode(text)[0]))
    return checks
