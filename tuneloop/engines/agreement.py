"""The engine must read a conversation exactly as the trainer did: the same template, the same token ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.models import ModelCard, TokenCheck, template_hash

if TYPE_CHECKING:
    import httpx


def parity(http: httpx.Client, card: ModelCard) -> int:
    """Compare an engine's token ids with the card's probe conversations. Returns how many were compared.

    ``http``: a client for the engine's own paths.

    Raises ``TuneloopError`` on the first that differs, or where the card's template is not the one it names.
    """
    if card.template_sha256 and template_hash(card.chat_template) != card.template_sha256:
        raise TuneloopError(
            _("the chat template is not the one this model was trained with"),
            hint=_("Restore model.json, or train the model anew."),
        )
    for number, check in enumerate(card.token_check, 1):
        compare(http, check, number)
    return len(card.token_check)


def compare(http: httpx.Client, check: TokenCheck, number: int) -> None:
    """A probe that ends with an answer is compared in two parts: the prompt as it is served, and the whole text."""
    messages = [m.as_said(wire=True) for m in check.messages]
    answered = bool(messages) and messages[-1]["role"] == "assistant"
    asked = messages[:-1] if answered else messages
    prompt = post(http, "/apply-template", {"messages": asked})["prompt"]
    ids = tokenize(http, prompt, add_special=True)
    wanted = check.token_ids[: len(ids)] if answered else check.token_ids
    if ids != wanted:
        raise mismatch(ids, wanted, number)
    if answered and (ids := tokenize(http, check.text, add_special=False)) != check.token_ids:
        raise mismatch(ids, check.token_ids, number)


def mismatch(ids: list[int], wanted: list[int], number: int) -> TuneloopError:
    place = next((i for i, (a, b) in enumerate(zip(ids, wanted, strict=False)) if a != b), min(len(ids), len(wanted)))
    message = _("the engine reads probe {number} differently from the trainer: token {place} is {have}, not {wanted}")
    have = ids[place] if place < len(ids) else _("missing")
    want = wanted[place] if place < len(wanted) else _("nothing")
    return TuneloopError(
        message.format(number=number, place=place, have=have, wanted=want),
        hint=_("The model would not be served as it was trained. Convert it anew: tuneloop compress"),
    )


def tokenize(http: httpx.Client, text: str, *, add_special: bool) -> list[int]:
    return post(http, "/tokenize", {"content": text, "add_special": add_special, "parse_special": True})["tokens"]


def post(http: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = http.post(path, json=body)
    if response.status_code != 200:
        raise TuneloopError(_("the engine answered {} to the parity check").format(response.status_code))
    return response.json()
