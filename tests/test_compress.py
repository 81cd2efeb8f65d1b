"""Compressing: the new file is the old model with its adapter, in fewer bits; and a file that is not is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.models import read_card, read_gguf

pytest.importorskip("peft")
pytest.importorskip("gguf")

from tiny import TEMPLATE, make_tiny_gguf, make_tiny_model


def compress(ctx, model: str, to: str = "gguf:q8_0", **fields):
    from tuneloop.compress.stage import Compress

    shutil.rmtree(ctx.out, ignore_errors=True)
    ctx.out.mkdir()
    ctx.store.settings.threads = 1
    return Compress(model=model, to=to, **fields).run(ctx)


def make_adapter(folder: Path, base: Path, address: str, **lora: Any) -> Path:
    """A random LoRA adapter as PEFT writes it, with its card."""
    import peft
    import torch

    from tuneloop.models import write_card
    from tuneloop.models.probes import token_check
    from tuneloop.models.weights import load_tokenizer, load_weights

    card = read_card(base)
    model = load_weights(base, card, torch.float32)
    torch.manual_seed(5)
    options = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", **lora)
    tuned = peft.get_peft_model(model, options)
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.2)
    tuned.save_pretrained(folder)
    checks = token_check(card, load_tokenizer(base, card))
    facts = {"format": "adapter", "base": address, "file": "", "system_prompt": "Help.", "token_check": checks}
    write_card(folder, card.model_copy(update=facts))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("models")
    hf = make_tiny_model(home / "hf")
    return {"hf": hf, "gguf": make_tiny_gguf(home / "gguf", hf)}


@pytest.fixture
def models(ctx, folders, tmp_path) -> dict[str, str]:
    """Addresses of a GGUF base and of an adapter on it."""
    base = ctx.add("model", shutil.copytree(folders["gguf"], tmp_path / "base"))
    return {"base": base, "adapter": ctx.add("model", make_adapter(tmp_path / "adapter", folders["gguf"], base))}


@pytest.mark.parametrize("to", ["gguf:q8_0", "gguf:f16", "gguf:bf16"])
def test_the_new_file_is_the_tuned_model(ctx, models, to):
    summary = compress(ctx, models["adapter"], to)
    assert summary["merged"] and summary["places"] >= 8
    assert summary["divergence"] < (0.02 if to.endswith("q8_0") else 0.002)
    card, header = read_card(ctx.out), read_gguf(ctx.out / "model.gguf")
    assert (card.format, card.file, card.quantization) == ("gguf", "model.gguf", to[5:])
    assert (card.base, card.system_prompt, card.chat_template) == (models["adapter"], "Help.", TEMPLATE)
    assert card.template_sha256 and len(card.token_check) >= 5
    before = read_gguf(ctx.path(models["base"]) / "tiny.gguf")
    same = {k: v for k, v in before.metadata.items() if k.split(".")[0] not in ("general",)}
    assert {k: header.metadata[k] for k in same} == same
    assert [t.name for t in header.tensors] == [t.name for t in before.tensors]
    assert {t.type for t in header.tensors if len(t.shape) > 1} == {to[5:]}


def test_the_same_model_gives_the_same_bytes(ctx, models):
    compress(ctx, models["adapter"])
    first = (ctx.out / "model.gguf").read_bytes()
    compress(ctx, models["adapter"], check=False)
    assert (ctx.out / "model.gguf").read_bytes() == first


def test_a_base_is_stored_at_the_same_precision_for_comparison(ctx, models):
    assert not compress(ctx, models["base"])["merged"]
    assert read_card(ctx.out).base == models["base"]


def test_another_architecture_with_biases_and_an_output_layer_of_its_own(ctx, tmp_path):
    base = make_tiny_gguf(tmp_path / "gguf", make_tiny_model(tmp_path / "hf", architecture="qwen2", tied=False))
    address = ctx.add("model", shutil.copytree(base, tmp_path / "base"))
    adapter = ctx.add("model", make_adapter(tmp_path / "adapter", base, address))
    assert compress(ctx, adapter)["divergence"] < 0.02
    assert {"output.weight", "blk.1.attn_q.bias"} <= {t.name for t in read_gguf(ctx.out / "model.gguf").tensors}


def test_a_wrong_conversion_is_refused(ctx, models, monkeypatch):
    """What is wrong here is what goes wrong in practice: the adapter is lost, or rows are in the wrong order."""
    from tuneloop.compress import rewrite

    converted = rewrite.converted
    monkeypatch.setattr(rewrite, "converted", lambda data, header, place, delta: converted(data, header, place, None))
    with pytest.raises(TuneloopError, match="is not its source"):
        compress(ctx, models["adapter"])
    monkeypatch.setattr(rewrite, "converted", converted)
    monkeypatch.setattr(rewrite, "rotate", lambda array, heads: array)
    with pytest.raises(TuneloopError, match="is not its source"):
        compress(ctx, models["adapter"])


def test_a_tokenizer_that_the_engine_does_not_share_is_refused(ctx, models):
    from tuneloop.models import write_card

    folder = ctx.path(models["adapter"])
    card = read_card(folder)
    card.token_check[1].token_ids[3] += 1
    write_card(folder, card)
    with pytest.raises(TuneloopError, match="probe 2"):
        compress(ctx, models["adapter"])


@pytest.mark.parametrize("rank_stabilised", [False, True])
def test_the_merged_folder_is_what_peft_merges(ctx, models, folders, tmp_path, rank_stabilised):
    import torch
    from peft import PeftModel

    from tuneloop.models.weights import load_weights

    stabilised = make_adapter(tmp_path / "rslora", folders["gguf"], models["base"], use_rslora=True)
    adapter = ctx.add("model", stabilised) if rank_stabilised else models["adapter"]
    summary = compress(ctx, adapter, "hf")
    assert summary["format"] == "hf" and read_card(ctx.out).chat_template == TEMPLATE
    ours = load_weights(ctx.out, read_card(ctx.out), torch.float32).state_dict()
    base = load_weights(folders["gguf"], read_card(folders["gguf"]), torch.float32)
    theirs = PeftModel.from_pretrained(base, ctx.path(adapter)).merge_and_unload().state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-5, atol=1e-6)


def test_an_adapter_that_is_not_plain_lora_is_refused(ctx, models, tmp_path):
    folder = shutil.copytree(ctx.path(models["adapter"]), tmp_path / "dora")
    facts = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    (folder / "adapter_config.json").write_text(json.dumps(facts | {"use_dora": True}), encoding="utf-8")
    with pytest.raises(TuneloopError, match="use_dora"):
        compress(ctx, ctx.add("model", folder))


def test_an_adapter_without_its_base_says_so(ctx, models, folders, tmp_path):
    missing = "model:" + "0" * 64
    orphan = ctx.add("model", make_adapter(tmp_path / "orphan", folders["gguf"], missing))
    with pytest.raises(NotFound, match="base of this adapter"):
        compress(ctx, orphan)


def test_a_model_too_large_to_compare_is_refused_before_it_is_loaded(ctx, models, monkeypatch):
    monkeypatch.setenv("TUNELOOP_MEMORY", "1e8")
    with pytest.raises(TuneloopError, match=r"needs about \d+ MiB of memory, and 95 MiB are free"):
        compress(ctx, models["base"])


def test_the_output_is_named_after_its_type():
    from tuneloop.compress.stage import Compress

    assert Compress(model="model:help").default_name() == "help-q8_0"
    assert Compress(model="model:help", to="hf").default_name() == "help-hf"


@pytest.mark.parametrize("adapted", [False, True], ids=["whole", "adapter"])
def test_a_folder_goes_through_llama_cpps_converter(ctx, smollm, tmp_path, adapted):
    """A small model with a tokenizer that the converter knows, alone and with an adapter on it."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tuneloop.compress import converter
    from tuneloop.models import read_folder_card, read_gguf_card, write_card
    from tuneloop.models.weights import load_tokenizer

    try:
        converter.ensure(ctx.store.cache)
    except TuneloopError as error:
        pytest.skip(f"the converter cannot be had here: {error}")
    folder = tmp_path / "hf"
    tokenizer = load_tokenizer(smollm.parent, read_gguf_card(smollm))
    tokenizer.backend.chat_template = TEMPLATE
    tokenizer.save(folder)
    config = AutoConfig.for_model(
        "llama", vocab_size=49152, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=512, tie_word_embeddings=True, initializer_range=0.15, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    write_card(folder, read_folder_card(folder))
    address = ctx.add("model", folder)
    if adapted:
        address = ctx.add("model", make_adapter(tmp_path / "adapter", ctx.path(address), address))
    summary = compress(ctx, address)
    assert summary["merged"] == adapted and summary["same_token"] > 0.9 and summary["divergence"] < 0.02
    assert read_gguf(ctx.out / "model.gguf").metadata["tokenizer.chat_template"] == TEMPLATE


def test_an_adapter_on_a_folder_goes_to_the_converter_whole(ctx, folders, tmp_path, monkeypatch):
    """The merged weights with the tokenizer of the base; and nothing is fetched on the way."""
    from tuneloop.compress import converter

    base = ctx.add("model", shutil.copytree(folders["hf"], tmp_path / "base"))
    adapter = ctx.add("model", make_adapter(tmp_path / "adapter", folders["hf"], base))
    with pytest.raises(NotFound, match="tuneloop models converter"):
        compress(ctx, adapter)
    seen = {}

    def convert(tool, model, target, kind, **_):
        seen.update({path.name: path.stat().st_size for path in model.iterdir()})
        raise TuneloopError("far enough")

    monkeypatch.setattr(converter, "installed", lambda cache: cache)
    monkeypatch.setattr(converter, "convert", convert)
    with pytest.raises(TuneloopError, match="far enough"):
        compress(ctx, adapter)
    assert {"model.safetensors", "tokenizer.json", "config.json"} <= set(seen)


def test_a_converter_that_cannot_be_had_says_how_to_bring_it(tmp_path, monkeypatch):
    from tuneloop.compress import converter

    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(TuneloopError, match="PIP_FIND_LINKS"):
        converter.ensure(tmp_path)
    assert not list(tmp_path.iterdir())


# -- numbers -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-8, 8), min_size=3, max_size=40), st.integers(0, 2**31))
def test_divergence_is_zero_for_the_same_and_positive_for_another(scores, seed):
    import numpy as np

    from tuneloop.compress.check import divergence

    def distribution(values) -> dict[int, float]:
        values = np.asarray(values) - np.logaddexp.reduce(values)
        return dict(enumerate(values.tolist()))

    ours = distribution(scores)
    assert divergence(ours, ours) == pytest.approx(0, abs=1e-9)
    theirs = distribution(np.random.default_rng(seed).normal(0, 3, len(scores)))
    exact = sum(np.exp(p) * (p - theirs[i]) for i, p in ours.items())
    assert divergence(ours, theirs) == pytest.approx(max(0.0, exact), abs=1e-3)


@given(heads=st.integers(1, 4), half=st.integers(1, 5), width=st.integers(1, 6))
def test_rows_are_reordered_back(heads, half, width):
    import numpy as np

    from tuneloop.models.tensors import rotate

    array = np.arange(heads * half * 2 * width).reshape(heads * half * 2, width)
    assert (rotate(rotate(array, heads), heads, back=True) == array).all()


@given(rows=st.integers(1, 9), blocks=st.integers(1, 40), seed=st.integers(0, 99))
def test_weights_in_eight_bits_are_those_of_the_gguf_package(rows, blocks, seed):
    import gguf
    import numpy as np

    from tuneloop.models.tensors import quantize

    values = np.random.default_rng(seed).normal(size=(rows, blocks * 32)).astype(np.float32)
    wanted = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
    assert (quantize(values, "q8_0") == wanted.ravel()).all()
