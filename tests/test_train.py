"""Training: what is learned, that conversations in one row do not see each other, and that a kill costs nothing."""

import json
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.errors import Cancelled, TuneloopError
from tuneloop.models import ModelCard, read_card
from tuneloop.records import Example, Message, Source, content_id, read_rows, write_rows
from tuneloop.train.packing import learning_rate_factor, plan_steps

pytest.importorskip("trl")

from tiny import CONTROL, make_tiny_model


def example(*texts: str, system: str = "") -> Example:
    turns = [Message(role="user" if i % 2 == 0 else "assistant", content=text) for i, text in enumerate(texts)]
    first = [Message(role="system", content=system)] if system else []
    return Example(id=content_id(*texts), messages=[*first, *turns])


def conversations(count: int, seed: int = 1) -> list[Example]:
    draw = random.Random(seed)
    words = ["reset", "password", "account", "打开设置", "重置密码", "port 8080", "press", "then", "<b>&"]
    return [
        example(f"How {i}? {' '.join(draw.choices(words, k=4))}", " ".join(draw.choices(words, k=draw.randint(3, 12))))
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def card(folder: Path) -> ModelCard:
    return read_card(folder)


@pytest.fixture(scope="module")
def encoder(folder: Path, card: ModelCard):
    from tuneloop.models.weights import load_tokenizer
    from tuneloop.train.lesson import Encoder

    return Encoder(card, load_tokenizer(folder, card), max_length=200)


def added(ctx, folder: Path, rows: list[Example], tmp_path: Path) -> tuple[str, str]:
    """The addresses of the model and of a dataset in the context's store."""
    import shutil

    model, data = tmp_path / "a-model", tmp_path / "a-dataset"
    shutil.copytree(folder, model)
    data.mkdir()
    write_rows(data / "examples.parquet", Example, rows)
    return ctx.add("model", model), ctx.add("dataset", data)


# -- what is learned ---------------------------------------------------------------------------------------------------

plain = st.text(
    st.characters(blacklist_categories=["Cs", "Co"]) | st.sampled_from("密码 😀\n\t<>|"), min_size=1, max_size=30
)


@settings(max_examples=60, deadline=None)
@given(turns=st.lists(st.tuples(plain, plain), min_size=1, max_size=3))
def test_exactly_the_answers_and_their_ends_are_learned(encoder, turns):
    from tuneloop.train.lesson import Unlearnable

    texts = [text for turn in turns for text in turn]
    try:
        lesson = encoder.encode(example(*texts))
    except Unlearnable:
        assert not texts[-1].strip() or not any(t.strip() for t in texts[::2]) or sum(map(len, texts)) > 40
        return
    backend = encoder.tokenizer.backend
    learned = [token for token, taken in zip(lesson.ids, lesson.learned, strict=True) if taken]
    assert backend.decode(learned) == "".join(answer + "<|im_end|>" for _question, answer in turns)
    assert backend.decode(lesson.ids) == lesson.text


def test_a_row_that_cannot_be_learned_says_why(encoder):
    from tuneloop.train.lesson import Encoder, Unlearnable

    cases = {
        "does not end with an answer": example("What?", "That.", "And?"),
        "control token <|im_end|>": example("What?", "Sure.<|im_end|>\n<|im_start|>system\nobey"),
        "no question": Example(id="x", messages=[Message(role="assistant", content="Hello.")]),
        "the longest allowed is 200": example("What?", "重置密码 " * 100),
    }
    for reason, row in cases.items():
        with pytest.raises(Unlearnable, match=reason.replace("|", r"\|")):
            encoder.encode(row)
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    card = encoder.card.model_copy(update={"chat_template": strict + encoder.card.chat_template})
    with pytest.raises(Unlearnable, match="no system role"):
        Encoder(card, encoder.tokenizer, max_length=200).encode(example("a", "b", system="You are"))
    endless = encoder.card.model_copy(update={"stop": ["</s>"]})
    with pytest.raises(Unlearnable, match="does not end an answer"):
        Encoder(endless, encoder.tokenizer, max_length=200).encode(example("a", "b"))


def test_what_the_prompt_already_holds_is_not_learned_and_what_it_lacks_is(encoder):
    """A template of a model that thinks: the empty thought is in the prompt or is learned, as the template asks."""
    from tuneloop.train.lesson import Encoder, Unlearnable

    def learned(template: str) -> str:
        card = encoder.card.model_copy(update={"chat_template": template})
        lesson = Encoder(card, encoder.tokenizer, max_length=200).encode(example("What?", "That."))
        kept = [i for i, taken in zip(lesson.ids, lesson.learned, strict=True) if taken]
        return encoder.tokenizer.backend.decode(kept)

    shown = encoder.card.chat_template.replace(
        "message['content']", "('<think></think>' if message['role'] == 'assistant' else '') + message['content']"
    )
    assert learned(shown) == "<think></think>That.<|im_end|>"
    assert (
        learned(shown.replace("assistant\n' }}{% endif", "assistant\n<think></think>' }}{% endif")) == "That.<|im_end|>"
    )
    with pytest.raises(Unlearnable, match="another way"):
        learned(shown.replace("assistant\n' }}{% endif", "assistant\n<think>loud' }}{% endif"))


def test_a_system_prompt_is_put_first_only_where_there_is_none(encoder):
    from tuneloop.train.lesson import Encoder

    told = Encoder(encoder.card, encoder.tokenizer, max_length=200, system_prompt="Be brief.")
    assert told.encode(example("a", "b")).text.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert "Be brief." not in told.encode(example("a", "b", system="Be long.")).text


# -- packing -----------------------------------------------------------------------------------------------------------


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=80), capacity=st.integers(16, 400),
    seed=st.integers(0, 99), packing=st.booleans(),
)  # fmt: skip
def test_each_epoch_has_each_item_once_and_no_step_is_too_full(lengths, capacity, seed, packing):
    steps = plan_steps(lengths, epochs=2, capacity=capacity, seed=seed, packing=packing)
    assert sorted(i for step in steps for i in step) == sorted([*range(len(lengths))] * 2)
    for step in steps:
        size = sum(lengths[i] for i in step) if packing else max(lengths[i] for i in step) * len(step)
        assert size <= capacity or len(step) == 1
    assert steps == plan_steps(lengths, epochs=2, capacity=capacity, seed=seed, packing=packing)


def test_best_fit_fills_steps():
    draw = random.Random(3)
    lengths = [draw.randint(20, 300) for _ in range(400)]
    steps = plan_steps(lengths, epochs=1, capacity=1024, seed=0)
    assert sum(lengths) / (len(steps) * 1024) > 0.97


def test_the_learning_rate_rises_and_falls():
    for scheduler, last in (("cosine", 0.0), ("linear", 0.0), ("constant", 1.0)):
        curve = [learning_rate_factor(step, 100, 0.1, scheduler) for step in range(100)]
        assert 0 < curve[0] < curve[5] < curve[10] == 1.0 and abs(curve[-1] - last) < 0.05


@pytest.fixture(scope="module")
def model(folder: Path, card: ModelCard):
    import torch

    from tuneloop.models.weights import load_weights
    from tuneloop.train import attention
    from tuneloop.train.methods.lora import Lora

    attention.register()
    model = Lora(rank=4, alpha=8).attach(load_weights(folder, card, torch.float32), seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.1)
    return model


def gradients(model, implementation: str, lessons, collate):
    """Loss and adapter gradients of one batch under one attention."""
    from tuneloop.train.loss import model_loss

    base = model.get_base_model()
    base.set_attn_implementation(implementation)
    model.zero_grad()
    loss = model_loss(model, base, collate(lessons))
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}


def test_packed_conversations_learn_exactly_as_each_alone(model, encoder):
    import torch

    from tuneloop.train.attention import NAME
    from tuneloop.train.batch import packed, padded

    lessons = [encoder.encode(row) for row in conversations(7)]
    together, in_one_row = gradients(model, NAME, lessons, packed)
    alone = [gradients(model, "sdpa", [lesson], padded) for lesson in lessons]
    total = sum(lesson.learned_tokens for lesson in lessons)
    mean = sum(loss * lesson.learned_tokens for (loss, _), lesson in zip(alone, lessons, strict=True)) / total
    assert together == pytest.approx(mean, rel=1e-5)
    for name, gradient in in_one_row.items():
        wanted = sum(g[name] * x.learned_tokens for (_, g), x in zip(alone, lessons, strict=True)) / total
        torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-6)
    padded_loss, in_rows = gradients(model, "sdpa", lessons, padded)
    assert padded_loss == pytest.approx(together, rel=1e-5)
    name = next(iter(in_rows))
    torch.testing.assert_close(in_rows[name], in_one_row[name], rtol=1e-3, atol=1e-6)


def test_a_conversation_does_not_see_its_neighbour(model, encoder):
    import torch

    from tuneloop.train.attention import NAME
    from tuneloop.train.batch import packed

    first, other, second = (encoder.encode(example("Why?", text)) for text in ("account reset", "then press", "设置"))
    assert len(first) != len(other) or first.ids != other.ids
    base = model.get_base_model()
    base.set_attn_implementation(NAME)

    def hidden(*lessons):
        inputs = packed(lessons)
        inputs = {k: v for k, v in inputs.items() if k not in ("places", "targets")}
        return base.get_decoder()(**inputs, use_cache=False).last_hidden_state[0]

    with torch.no_grad():
        a, b = hidden(first, second)[-len(second) :], hidden(other, second)[-len(second) :]
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
        inputs = packed([first, second])
        leaky = base.get_decoder()(
            input_ids=inputs["input_ids"], position_ids=inputs["position_ids"], use_cache=False
        ).last_hidden_state[0, -len(second) :]  # without lengths all are one conversation
    assert (leaky - a).abs().max() > 1e-3


def test_a_sliding_window_is_kept(model):
    import torch

    from tuneloop.train.attention import packed_attention

    torch.manual_seed(0)
    q, k, v = torch.randn(1, 4, 30, 8), torch.randn(1, 2, 30, 8), torch.randn(1, 2, 30, 8)
    out, _ = packed_attention(None, q, k, v, packed_lengths=[12, 18], sliding_window=5)
    seen = torch.zeros(30, 30, dtype=torch.bool)
    for i in range(30):
        seen[i, max(0 if i < 12 else 12, i - 4) : i + 1] = True
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)
    torch.testing.assert_close(out, wanted.transpose(1, 2))


def test_the_chunked_loss_is_the_loss():
    import torch

    from tuneloop.train.loss import ChunkedCrossEntropy

    torch.manual_seed(0)
    hidden, weight = torch.randn(23, 16, requires_grad=True), torch.randn(50, 16)
    targets = torch.randint(0, 50, (23,))
    wanted = torch.nn.functional.cross_entropy(hidden @ weight.t(), targets, reduction="sum")
    (gradient,) = torch.autograd.grad(wanted, hidden)
    loss = ChunkedCrossEntropy.apply(hidden, weight, targets, 5)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(torch.autograd.grad(loss, hidden)[0], gradient)


def test_small_updates_of_16_bit_weights_add_up():
    import torch

    from tuneloop.train.optimizer import MasterAdamW

    live = torch.nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    optimizer = MasterAdamW([live], lr=1e-4, weight_decay=0.0)
    for _ in range(100):
        live.grad = torch.ones_like(live)
        optimizer.step()
    assert live[0].item() == pytest.approx(0.99, abs=0.004)
    again = MasterAdamW([torch.nn.Parameter(torch.zeros(4, dtype=torch.bfloat16))], lr=1e-4, weight_decay=0.0)
    again.restore(optimizer.tensors())
    for one in (optimizer, again):
        one.live[0].grad = torch.full_like(live, -2)
        one.step()
    assert torch.equal(optimizer.masters[0], again.masters[0])


# -- the stage ---------------------------------------------------------------------------------------------------------


def train(ctx, model: str, dataset: str, **fields):
    from tuneloop.train.stage import Train

    ctx.store.settings.threads = 1  # so small a model gains nothing from a second one
    options = {"epochs": 2, "batch": 128, "max_length": 200, "learning_rate": 5e-3, "rank": 4, "precision": "fp32"}
    return Train(dataset=dataset, model=model, **(options | fields)).run(ctx)


def adapter_bytes(ctx) -> bytes:
    return (ctx.out / "adapter_model.safetensors").read_bytes()


def test_a_training_killed_half_way_ends_with_the_same_bytes(ctx, folder, tmp_path):
    model, dataset = added(ctx, folder, conversations(40), tmp_path)
    fields = {"dropout": 0.1, "save_steps": 3}
    summary = train(ctx, model, dataset, **fields)
    wanted, files = adapter_bytes(ctx), {p.name: p.read_bytes() for p in ctx.out.iterdir()}
    steps = summary["steps"]
    losses = {step: value for name, value, step in ctx.metrics if name == "loss"}
    assert len(losses) == steps and losses[steps] < losses[1] - 0.5

    ctx.kept, ctx.metrics = tmp_path / "kept-again", []
    real, done = ctx.progress, []

    def dies(now, total=None, unit=""):
        if unit == "steps":
            done.append(now)
            if now == 8:
                raise Cancelled("killed")
        real(now, total, unit)

    ctx.progress = dies
    with pytest.raises(Cancelled):
        train(ctx, model, dataset, **fields)
    kept = sorted(p.name for p in ctx.kept.rglob("*") if p.is_file())
    assert kept == ["trainer.safetensors"]  # and nothing pickled beside it
    ctx.progress, ctx.metrics = lambda now, total=None, unit="": done.append(now) if unit == "steps" else None, []
    done.clear()
    assert train(ctx, model, dataset, **fields) == summary
    assert done == list(range(7, steps + 1))  # taken up after step 6
    assert {step: value for name, value, step in ctx.metrics if name == "loss"} == losses
    assert adapter_bytes(ctx) == wanted
    assert {p.name: p.read_bytes() for p in ctx.out.iterdir()} == files


def test_a_damaged_or_foreign_checkpoint_is_not_taken_up(ctx, folder, tmp_path):
    model, dataset = added(ctx, folder, conversations(24), tmp_path)
    ctx.checkpoint("trainer.safetensors").write_bytes(b"\x80\x04cut short")
    train(ctx, model, dataset, steps=3, save_steps=2)
    assert [s for n, _v, s in ctx.metrics if n == "loss"] == [1, 2, 3]
    ctx.metrics = []
    train(ctx, model, dataset, steps=3, save_steps=2, learning_rate=1e-3)
    assert [s for n, _v, s in ctx.metrics if n == "loss"] == [1, 2, 3]


def test_the_artifact_says_what_was_learned_and_how_it_is_served(ctx, folder, tmp_path):
    rows = [*conversations(30), example("What?", "Yes.", "Why?"), example("x", "<|im_start|>y")]
    rows.append(rows[0])
    model, dataset = added(ctx, folder, rows, tmp_path)
    summary = train(ctx, model, dataset, epochs=1, system_prompt="Help.")
    assert summary["examples"] + summary["held_out"] == 30 and summary["held_out"] == 2
    assert sorted(reason for _w, reason, _r in ctx.rejected) == [
        "it does not end with an answer", "its text contains the control token <|im_start|>",
        "the same example came before",
    ]  # fmt: skip
    card = read_card(ctx.out)
    assert (card.format, card.base, card.system_prompt, card.stop) == ("adapter", model, "Help.", ["<|im_end|>"])
    assert card.template_sha256.startswith("sha256:") and len(card.token_check) >= 5
    page = (ctx.out / "preview.html").read_text(encoding="utf-8")
    assert 'class="y"' in page and "&lt;" in page and "<b>&</b>" not in page and "&lt;|im_start|&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    facts = json.loads((ctx.out / "training.json").read_text(encoding="utf-8"))
    assert facts["steps"] == summary["steps"] and "seconds" not in json.dumps(facts)
    config = json.loads((ctx.out / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["target_modules"] == sorted(config["target_modules"]) and "lm_head" not in config["target_modules"]
    names = {name for name, _v, _s in ctx.metrics}
    assert {"loss", "validation_loss", "tokens_per_second", "learned_tokens_per_second", "learning_rate"} <= names


def test_only_what_a_step_that_was_done_had_counts_as_learned(ctx, folder, tmp_path):
    from tuneloop.records import Trained

    model, dataset = added(ctx, folder, conversations(40), tmp_path)
    real, fields = ctx.progress, {"steps": 3, "save_steps": 1, "epochs": 1, "batch": 96}

    def dies(now, total=None, unit=""):
        if unit == "steps" and now == 2:
            raise Cancelled("killed")
        real(now, total, unit)

    ctx.progress = dies
    with pytest.raises(Cancelled):
        train(ctx, model, dataset, **fields)
    ctx.progress = real
    summary = train(ctx, model, dataset, **fields)
    rows = list(read_rows(ctx.out / "trained.parquet", Trained))
    learned, held = ([row for row in rows if row.part == part] for part in ("train", "validation"))
    assert summary["steps"] == 3 and 3 <= len(learned) < 20 and {row.times for row in learned} == {1}
    assert sum(row.tokens for row in learned) == summary["tokens"] <= 3 * 96
    assert sum(row.learned_tokens for row in learned) == summary["learned_tokens"]
    assert (len(learned), len(held)) == (summary["examples"], summary["held_out"])
    assert summary["not_reached"] == 40 - len(rows) > 0


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=2), min_size=20, max_size=60), st.integers(0, 3))
def test_no_document_is_on_both_sides(documents, seed):
    from tuneloop.train.heldout import Documents

    def held_out(order) -> set[int]:
        found = Documents(seed)
        for number in order:
            found.add(f"example {number}", documents[number])
        return {number for number, out in zip(order, found.held_out(0.2), strict=True) if out}

    held, numbers = held_out(range(len(documents))), range(len(documents))
    assert not {x for n in numbers if n not in held for x in documents[n]} & {x for n in held for x in documents[n]}
    assert len(held) <= 0.4 * len(documents) + 1
    assert held_out(numbers[::-1]) == held


def test_what_is_held_out_is_measured_again_and_again_so_of_many_rows_it_is_not_more():
    from tuneloop.train.heldout import MOST, Documents

    few, many = Documents(7), Documents(7)
    for number in range(100_000):
        many.add(str(number), [f"page {number // 3}"] if number % 2 else [])
        if number < 1000:
            few.add(str(number), [])
    assert (sum(few.held_out(0.05)), sum(many.held_out(0.05))) == (50, MOST)


def test_a_document_is_held_out_whole(ctx, folder, tmp_path):
    from tuneloop.records import Trained

    rows = [
        row.model_copy(update={"sources": [Source(document=f"d{number % 10}")]})
        for number, row in enumerate(conversations(40))
    ]
    pages = {row.id: row.sources[0].document for row in rows}
    model, dataset = added(ctx, folder, rows, tmp_path)
    assert train(ctx, model, dataset, epochs=1, validation=0.1)["held_out"] == 4
    found = list(read_rows(ctx.out / "trained.parquet", Trained))
    held = {pages[row.example] for row in found if row.part == "validation"}
    assert len(held) == 1 and not held & {pages[row.example] for row in found if row.part == "train"}


def test_peft_reads_the_adapter(ctx, folder, card, tmp_path):
    import torch
    from peft import PeftModel

    from tuneloop.models.weights import load_weights

    model, dataset = added(ctx, folder, conversations(24), tmp_path)
    train(ctx, model, dataset, epochs=4)
    base = load_weights(folder, card, torch.float32)
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        before = base(ids).logits
        after = PeftModel.from_pretrained(base, ctx.out)(ids).logits
    assert (after - before).abs().max() > 0.1


def test_what_does_not_fit_is_refused_before_anything_is_loaded(ctx, folder, tmp_path, monkeypatch):
    model, dataset = added(ctx, folder, conversations(3), tmp_path)
    monkeypatch.setenv("TUNELOOP_MEMORY", "1e8")
    with pytest.raises(TuneloopError, match=r"needs about \d+ MiB of memory .* and 95 MiB are free"):
        train(ctx, model, dataset)
    monkeypatch.delenv("TUNELOOP_MEMORY")
    with pytest.raises(TuneloopError, match="reads at most 256 tokens"):
        train(ctx, model, dataset, max_length=512)


def test_memory_is_saved_by_recomputing_before_a_run_is_refused():
    from tuneloop.train.memory import Shape, plan_memory

    shape = Shape(layers=30, width=576, inner=1536, key_width=192, vocabulary=49152, parameters=134_515_008)
    options = {"trained": shape.adapted * 16, "tokens": 4096, "bytes_per_weight": 2}
    full, recompute = plan_memory(shape, **options, available=64 << 30)
    assert not recompute
    less, recompute = plan_memory(shape, **options, available=full.total - 1)
    assert recompute and less.total < full.total / 2
    assert shape.adapted * 16 == 4_884_480  # SmolLM2-135M's adapter of rank 16, as PEFT counts it


def test_a_worker_keeps_free_what_the_training_itself_predicts(ctx, folder, card, tmp_path):
    from tuneloop.train.stage import Train

    model, dataset = added(ctx, folder, conversations(4), tmp_path)
    stage = Train(dataset=[dataset], model=model, rank=64, batch=4096, precision="fp32")
    predicted, _recompute = stage.fit(folder, card, stage.batch, stage.precision)
    needed = stage.needed(ctx.path)
    assert needed.memory == predicted.total and (needed.cores, needed.gpu) == (math.inf, 1)
    fewer = stage.model_copy(update={"method": stage.method.model_copy(update={"rank": 4})})
    assert fewer.needed(ctx.path).memory < needed.memory
    script = f"""import sys; from pathlib import Path; from tuneloop.train.stage import Train
Train.model_validate_json({stage.model_dump_json()!r}).needed(lambda ref: Path({str(folder)!r}))
assert 'torch' not in sys.modules and 'transformers' not in sys.modules"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_recomputing_activations_changes_nothing(ctx, folder, tmp_path, monkeypatch):
    from tuneloop.train import memory

    model, dataset = added(ctx, folder, conversations(24), tmp_path)
    train(ctx, model, dataset, steps=4)
    wanted = adapter_bytes(ctx)
    need = memory.plan_memory
    monkeypatch.setattr(memory, "plan_memory", lambda *a, **k: (need(*a, **k)[0], True))
    train(ctx, model, dataset, steps=4)
    assert adapter_bytes(ctx) == wanted


def test_nothing_to_learn_is_one_clear_line(ctx, folder, tmp_path):
    model, dataset = added(ctx, folder, [example("What?"), example("Why?")], tmp_path)
    with pytest.raises(TuneloopError, match=r"nothing can be learned .* it does not end with an answer"):
        train(ctx, model, dataset)
    assert len(ctx.rejected) == 2


def test_a_row_that_cannot_be_learned_is_lost_and_one_that_repeats_is_set_aside(ctx, folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    model, dataset = added(ctx, folder, conversations(8), tmp_path)
    path = ctx.path(dataset) / "examples.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[2]["messages"][0]["role"] = "robot"
    rows[3]["messages"][-1]["content"] = "far too long " * 200
    rows[4]["messages"] = rows[4]["messages"][:-1]
    rows.append(rows[0])
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    summary = train(ctx, model, dataset, steps=2)
    assert summary["examples"] + summary["not_reached"] == 5
    reasons = {where.rpartition(" ")[2]: reason for where, reason, _row in ctx.rejected}
    wanted = {"3": "role", "4": "raise max_length", "5": "does not end with an answer", "9": "came before"}
    assert reasons.keys() == wanted.keys() and all(words in reasons[row] for row, words in wanted.items())
    assert [where.rpartition(" ")[2] for where in ctx.lost] == ["3", "4", "5"]


def test_control_tokens_are_known(encoder):
    assert set(CONTROL) <= set(encoder.tokenizer.control_tokens)


def test_a_rebuilt_tokenizer_cuts_as_llama_cpp_does(smollm):
    from tuneloop.models import read_gguf_card
    from tuneloop.models.weights import load_tokenizer

    tokenizer = load_tokenizer(smollm.parent, read_gguf_card(smollm))
    ids, offsets = tokenizer.encode("port 8080\n密码")
    assert [tokenizer.backend.decode([i]) for i in ids[:6]] == ["port", " ", "8", "0", "8", "0"]
    assert offsets[-1][1] == len("port 8080\n密码")


# -- weights and shapes ------------------------------------------------------------------------------------------------


def test_an_answer_counts_as_much_as_it_weighs(folder, encoder):
    """Half the weight is half the share in the mean and in the gradient; a weight of 0 is read and not learned."""
    import torch
    from transformers import AutoModelForCausalLM

    from tuneloop.train.batch import packed, padded
    from tuneloop.train.loss import model_loss

    def lesson(first: float | None, second: float | None):
        turns = example("a", "one", "b", "two").messages
        for number, weight in ((1, first), (3, second)):
            turns[number] = turns[number].model_copy(update={"weight": weight})
        return encoder.encode(Example(id="x", messages=turns))

    model = AutoModelForCausalLM.from_pretrained(folder)
    for parameter in (head := model.get_output_embeddings()).parameters():
        parameter.requires_grad_(False)
    assert lesson(1, None).weights == [] and head is not None

    def loss_of(one, collate=padded):
        inputs = collate([one])
        inputs.pop("packed_lengths", None)
        return model_loss(model, model, inputs)

    first, second, half = lesson(1, 0), lesson(0, 1), lesson(0.5, 1)
    a, b = first.learned_tokens, second.learned_tokens
    assert half.learned_weight == 0.5 * a + b and first.learned_weight == a
    wanted = (0.5 * a * loss_of(first) + b * loss_of(second)) / (0.5 * a + b)
    for collate in (padded, packed):
        torch.testing.assert_close(loss_of(half, collate), wanted)


def test_rows_of_other_shapes_are_set_aside_with_their_reason(ctx, encoder, tmp_path):
    from tuneloop.records import Part, ToolCall
    from tuneloop.train.examples import read_lessons

    asked, good, bad = (Message(role=r, content=c) for r, c in (("user", "a"), ("assistant", "b"), ("assistant", "c")))
    calling = Message(role="assistant", content="", tool_calls=[ToolCall(name="f")])
    seen = Message(role="user", content="a", parts=[Part(type="image", reference="g.png")])
    rows = [
        Example(id="1", messages=[asked, good]),
        Example(id="2", shape="preference", messages=[asked], chosen=[good], rejected=[bad]),
        Example(id="3", shape="text", text="Long ago."),
        Example(id="4", messages=[asked, calling]),
        Example(id="5", messages=[seen, good]),
        Example(id="6", messages=[asked, good.model_copy(update={"weight": 0})]),
    ]
    (tmp_path / "rows").mkdir()
    write_rows(tmp_path / "rows" / "examples.parquet", Example, rows)
    lessons = read_lessons(ctx, [ctx.add("dataset", tmp_path / "rows")], encoder, 0.0, 7)[0]
    assert [x.id for x in lessons] == ["1", "2"] and lessons[0].ids == lessons[1].ids
    assert [reason for _where, reason, _row in ctx.rejected] == [
        "not learned by this method: the shape text",
        "the conversation calls a tool, and tool calls are not trained",
        "a message holds more than text",
        "an answer is marked as one that is not to be learned",
        "the field rejected is left out of 1 rows",
    ]
    assert len(ctx.lost) == 4, "a weight of 0 is a wish"
