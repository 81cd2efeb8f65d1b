"""Whether a GGUF file is still the model that it was made from: the same tokens, and nearly the same next ones.

Both models read the same conversations. At some places of each, what the source expects next is compared with what the
engine expects: how often both prefer the same token, and the divergence between the two distributions.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneloop import processes
from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.models import TokenCheck

PLACES = 6  # of each conversation
NEAREST = 32  # tokens that the source finds likeliest, compared one by one; the others together
CANDIDATES = 256  # asked of the engine, so that these are among them
AGREEMENT = 0.8  # share of places at which both must prefer the same token


@dataclass(frozen=True)
class Expected:
    """What the source expects after ``prompt``: its likeliest tokens and their log-probabilities."""

    prompt: list[int]
    following: dict[int, float]


@dataclass(frozen=True)
class Result:
    """What the comparison found, over all places."""

    places: int
    same_token: float  # share
    divergence: float  # mean Kullback-Leibler divergence, in nats
    largest: float

    def summary(self) -> dict[str, Any]:
        return {
            "places": self.places, "same_token": round(self.same_token, 4),
            "divergence": round(self.divergence, 5), "largest_divergence": round(self.largest, 5),
        }  # fmt: skip


def places(length: int) -> list[int]:
    """Prompt lengths at which a conversation is compared: its last ones, every other token."""
    return list(range(length - 1, 0, -2)[:PLACES])[::-1]


def expectations(model: Any, checks: Sequence[TokenCheck], beat: Callable[[int, int], None]) -> list[Expected]:
    """What a transformers model expects at the places of each conversation."""
    import torch

    found = []
    for number, check in enumerate(checks):
        with torch.no_grad():
            logits = model(torch.tensor([check.token_ids]), use_cache=False).logits[0]
        for place in places(len(check.token_ids)):
            scores, tokens = logits[place - 1].float().log_softmax(-1).topk(min(NEAREST, logits.shape[-1]))
            following = dict(zip(tokens.tolist(), scores.tolist(), strict=True))
            found.append(Expected(check.token_ids[:place], following))
        beat(number + 1, len(checks))
    return found


def compare(file: Path, checks: Sequence[TokenCheck], expected: Sequence[Expected], *, threads: int, folder: Path,
            beat: Callable[[], None] = lambda: None) -> Result:  # fmt: skip
    """Ask the engine for the same places. Raises ``TuneloopError`` where it cuts a text into other tokens."""
    answer = ask_engine(file, checks, expected, threads=threads, folder=folder, beat=beat)
    for number, (check, tokens) in enumerate(zip(checks, answer["tokens"], strict=True), 1):
        if tokens != check.token_ids:
            raise TuneloopError(
                _("the engine cuts probe {} into other tokens than the source").format(number), where=file.name,
                hint=_("This model's tokenizer is not supported."),
            )  # fmt: skip
    pairs = [
        (e.following, {int(t): p for t, p in f.items()}) for e, f in zip(expected, answer["following"], strict=True)
    ]
    same = [max(ours, key=ours.__getitem__) == max(theirs, key=theirs.__getitem__) for ours, theirs in pairs]
    far = [divergence(ours, theirs) for ours, theirs in pairs]
    return Result(len(pairs), sum(same) / len(same), sum(far) / len(far), max(far))


def ask_engine(file: Path, checks: Sequence[TokenCheck], expected: Sequence[Expected], *, threads: int, folder: Path,
               beat: Callable[[], None]) -> dict[str, Any]:  # fmt: skip
    task, answer, log = folder / "task.json", folder / "answer.json", folder / "engine.log"
    longest = max((len(e.prompt) for e in expected), default=0)
    facts = {
        "file": str(file), "threads": threads, "context": max(256, longest + 16), "candidates": CANDIDATES,
        "prompts": [e.prompt for e in expected], "texts": [check.text for check in checks], "answer": str(answer),
    }  # fmt: skip
    task.write_text(json.dumps(facts), encoding="utf-8")
    answer.unlink(missing_ok=True)
    command = processes.module_command("tuneloop.compress.logits", str(task))
    try:
        with processes.Child.start(command, log=log, ready_timeout=300) as child:
            while child.wait(0.2) is None:
                beat()
                time.sleep(0.05)
            reason = child.last_line()
    except processes.ChildFailed as failed:
        reason = failed.message
    if not answer.is_file():
        raise TuneloopError(_("the engine cannot load the new file: {}").format(reason), where=file.name)
    return json.loads(answer.read_text(encoding="utf-8"))


def divergence(ours: dict[int, float], theirs: dict[int, float]) -> float:
    """Kullback-Leibler divergence of ``theirs`` from ``ours`` in nats: token by token, and the rest as one."""
    floor = min(theirs.values())  # a token that the engine did not name is at most as likely as its last one
    total, rest_ours, rest_theirs = 0.0, 1.0, 1.0
    for token, score in ours.items():
        other = theirs.get(token, floor)
        total += math.exp(score) * (score - other)
        rest_ours -= math.exp(score)
        rest_theirs -= math.exp(other)
    tiny = 1e-6  # the sums are of rounded numbers
    rest_ours, rest_theirs = max(rest_ours, tiny), max(rest_theirs, tiny)
    return max(0.0, total + rest_ours * math.log(rest_ours / rest_theirs))


def verdict(result: Result, ceiling: float) -> None:
    """Raise where the new file is not the model it was made from: its mean divergence is above ``ceiling`` nats."""
    if result.divergence <= ceiling and result.same_token >= AGREEMENT:
        return
    message = _("the compressed model is not its source: divergence {far:.3f} nats, same next token at {same:.0%}")
    raise TuneloopError(
        message.format(far=result.divergence, same=result.same_token),
        hint=_("Nothing was kept. Try gguf:bf16; if that differs too, this architecture is not supported."),
    )
