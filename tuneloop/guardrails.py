"""What looks at a question before a model answers, and at an answer before its caller sees it.

None is built in. A package brings one through the entry point group ``tuneloop.guardrails``: ``name = module:PART``;
a route names those that it is to pass, in order. A route with guardrails sends an answer when all of it was looked
at: a stream comes in one piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from tuneloop.doors import Door
from tuneloop.language import _


@dataclass(frozen=True)
class Verdict:
    """What becomes of a text: it passes, it is refused, or ``text`` takes its place."""

    action: Literal["allow", "deny", "replace"] = "allow"
    reason: str = ""  # told to the caller of what is refused
    text: str = ""


ALLOW = Verdict()


@runtime_checkable
class Guardrail(Protocol):
    """Looks at texts. Called in threads, several at once."""

    seconds: float  # that one look may take
    on_failure: Literal["deny", "allow"]  # what becomes of a text where it fails, or takes longer

    def before(self, question: str) -> Verdict:
        """Of the caller's last message, before the model is asked."""
        ...

    def after(self, answer: str) -> Verdict:
        """Of a whole answer, before it is sent."""
        ...


def check_guardrail(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no guardrail."""
    if not isinstance(part, Guardrail):
        raise ValueError(_("it has not all of seconds, on_failure, before and after"))
    if part.on_failure not in ("deny", "allow"):
        raise ValueError(_("its on_failure is neither deny nor allow"))
    if not isinstance(part.seconds, int | float) or not 0 < part.seconds <= 600:
        raise ValueError(_("its seconds are not between 0 and 600"))


def absent(name: str) -> str:
    return _("there is no guardrail {name!r}").format(name=name)


GUARDRAILS: Door[Guardrail] = Door("tuneloop.guardrails", {}, check=check_guardrail, absent=absent)
