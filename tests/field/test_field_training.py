"""Training data and models that other tools were reported to take wrongly. The inputs are our own, of the same kind.

| test | source | right |
|---|---|---|
| test_a_step_that_failed_is_not_learned | hiyouga/LlamaFactory #2571 | a turn with ``loss: false`` is not learned |
| test_pairs_as_plain_text | hiyouga/LlamaFactory #4108 | the chosen answer is imported, the other one named |
| test_reasoning_beside_the_answer | jingyaogong/minimind #737, fw-ai/cookbook #378 | kept, and not trained |
| test_a_draft_of_weight_zero | axolotl #1703, verl #5316 | an answer of ``weight: 0`` is not learned |
| test_tools_that_are_not_trained | jingyaogong/minimind #737 | said, with the number of rows |
| test_a_folder_without_its_vocabulary | ggml-org/llama.cpp #6058 | refused, and the missing file is named |
| test_a_folder_goes_through_llama_cpps_converter[adapter] in test_compress.py | ggml-org/llama.cpp #8649, #9927 | \
an adapter on a Hugging Face folder becomes GGUF with the tokenizer of its base |
"""

import json
from pathlib import Path
from typing import Any

import pytest
from test_dataset import run_import, write
from tiny import make_tiny_model

from tuneloop.errors import TuneloopError
from tuneloop.models import read_card
from tuneloop.models.weights import load_tokenizer
from tuneloop.records import Example
from tuneloop.train.examples import read_lessons
from tuneloop.train.lesson import Encoder, Unlearnable

GOOD = [{"role": "user", "content": "Is it open?"}, {"role": "assistant", "content": "It is."}]


def encoder(folder: Path) -> Encoder:
    tiny = folder / "tiny"
    card = read_card(tiny if tiny.is_dir() else make_tiny_model(tiny))
    return Encoder(card, load_tokenizer(tiny, card), max_length=200)


def learned(folder: Path, example: Example) -> list[str]:
    """The answers that a model learns from an example."""
    made = encoder(folder)
    lesson = made.encode(example)
    ids = [token for token, taken in zip(lesson.ids, lesson.learned, strict=True) if taken]
    return made.tokenizer.backend.decode(ids).split("<|im_end|>")[:-1]


def test_a_step_that_failed_is_not_learned(ctx: Any, tmp_path: Path) -> None:
    turns = [
        {"from": "human", "value": "Light the lamp."}, {"from": "gpt", "value": "DO: pull lamp", "loss": False},
        {"from": "human", "value": "Nothing happens."}, {"from": "gpt", "value": "DO: press switch", "loss": True},
    ]  # fmt: skip
    lines = json.dumps({"conversations": turns}) + "\n" + json.dumps({"conversations": turns[2:]})
    examples, _summary = run_import(ctx, write(tmp_path, "agent.jsonl", lines))
    assert [learned(tmp_path, e) for e in examples] == [["DO: press switch"]] * 2


def test_pairs_as_plain_text(ctx: Any, tmp_path: Path) -> None:
    row = {"instruction": "When is the yard shut?", "input": "", "chosen": "On Sundays.", "rejected": "Who knows."}
    examples, summary = run_import(ctx, write(tmp_path, "pairs.jsonl", json.dumps(row)))
    assert examples[0].answer == "On Sundays." and summary["not_carried"] == {}
    assert learned(tmp_path, examples[0]) == ["On Sundays."]


def test_reasoning_beside_the_answer(ctx: Any, tmp_path: Path) -> None:
    row = {
        "messages": [GOOD[0], {"role": "assistant", "content": "5", "reasoning_content": "Two and three make five."}]
    }
    examples, _summary = run_import(ctx, write(tmp_path, "rows.jsonl", json.dumps(row)))
    assert examples[0].messages[1].reasoning == "Two and three make five."
    with pytest.raises(Unlearnable, match="the reasoning of an answer stands apart from it, and is not trained") as why:
        learned(tmp_path, examples[0])
    assert why.value.lost


def test_a_draft_of_weight_zero(ctx: Any, tmp_path: Path) -> None:
    drafted = {"role": "assistant", "content": "a poor draft", "weight": 0}
    kept = {"role": "assistant", "content": "A fine answer.", "weight": 1}
    rows = [[GOOD[0], drafted, GOOD[0], kept], [{**GOOD[0], "weight": 0}, kept]]
    lines = "\n".join(json.dumps({"messages": row}) for row in rows)
    examples, _summary = run_import(ctx, write(tmp_path, "rows.jsonl", lines))
    assert [learned(tmp_path, e) for e in examples] == [["A fine answer."]] * 2


def test_tools_that_are_not_trained(ctx: Any, tmp_path: Path) -> None:
    row = {"messages": [GOOD[0], {"role": "assistant", "content": "Fine."}], "tools": [{"type": "function"}]}
    examples, summary = run_import(ctx, write(tmp_path, "rows.jsonl", json.dumps(row)))
    assert examples[0].tools == row["tools"] and summary["not_carried"] == {}
    lessons = read_lessons(ctx, [ctx.add("dataset", ctx.out)], encoder(tmp_path), 0.0, 7)[0]
    assert len(lessons) == 1
    assert [reason for _where, reason, _row in ctx.rejected] == ["the field tools is left out of 1 rows"]


@pytest.mark.parametrize(
    ("present", "missing"),
    [((), "tokenizer.json"), (("vocab.json",), "merges.txt"), (("merges.txt",), "vocab.json")],
)
def test_a_folder_without_its_vocabulary(tmp_path: Path, present: tuple[str, ...], missing: str) -> None:
    """A model copied in part to a machine without a network: transformers would train it on an empty vocabulary."""
    pytest.importorskip("torch")
    from tiny import make_tiny_model

    from tuneloop.models import read_card, read_folder_card
    from tuneloop.models.weights import load_tokenizer

    folder = make_tiny_model(tmp_path / "model", architecture="qwen2")
    card = read_card(folder)
    (folder / "tokenizer.json").unlink()
    for name in present:
        (folder / name).write_text("{}", encoding="utf-8")
    for refused in (lambda: read_folder_card(folder), lambda: load_tokenizer(folder, card)):
        with pytest.raises(TuneloopError, match=f"not whole: {missing} is missing"):
            refused()
