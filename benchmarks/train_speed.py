"""Training speed, ours beside TRL as it comes: the same model, conversations and adapter, in turns in one run.

    python benchmarks/train_speed.py smollm2-135m-instruct.gguf --steps 4 --rounds 1

The conversations are the sections of this project's own guide: a heading asks, its text answers. Speeds count what was
processed of the conversations, never padding; *learned* are the tokens that count in the loss. Each turn is a process
of its own; the first step of each is not timed. Where other work shares the cores, read the column of tokens a second
of processor time.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parent.parent / "docs" / "en"
WAYS = ("ours", "trl", "trl-packing")
LENGTH, ROWS, RANK = 512, 4, 16


def conversations() -> list[tuple[str, str]]:
    """Heading and text of each section of the guide."""
    found = []
    for page in sorted(GUIDE.glob("*.md")):
        for heading, text in re.findall(r"^##+ (.+?)\n+(.+?)(?=^#|\Z)", page.read_text(encoding="utf-8"), re.S | re.M):
            found.append((f"{page.stem[3:]}: {heading}?", text.strip()[:900]))
    return found


def now() -> tuple[float, float]:
    """Seconds on the clock, and of processor time of this process."""
    return time.perf_counter(), time.process_time()


def prepare(gguf: Path, folder: Path) -> None:
    """The model as a bfloat16 Hugging Face folder, which every way reads."""
    import torch

    from tuneloop.models import read_gguf_card, write_card
    from tuneloop.models.weights import load_tokenizer, load_weights

    card = read_gguf_card(gguf)
    load_weights(gguf.parent, card, torch.bfloat16).save_pretrained(folder)
    tokenizer = load_tokenizer(gguf.parent, card)
    tokenizer.backend.chat_template = card.chat_template
    tokenizer.save(folder)
    write_card(folder, card.model_copy(update={"format": "hf", "file": ""}))


def ours(folder: Path, steps: int) -> dict[str, float]:
    """Seconds, tokens and learned tokens of ``steps`` steps after the first."""
    import torch

    from tuneloop.models import read_card
    from tuneloop.models.weights import load_tokenizer, load_weights
    from tuneloop.records import Example, Message
    from tuneloop.train import attention
    from tuneloop.train.lesson import Encoder
    from tuneloop.train.lessons import Lessons
    from tuneloop.train.methods.lora import Lora
    from tuneloop.train.packing import plan_steps
    from tuneloop.train.recipe import Recipe, Watch
    from tuneloop.train.sft import Run

    card = read_card(folder)
    tokenizer = load_tokenizer(folder, card)
    encoder = Encoder(card, tokenizer, max_length=LENGTH, truncate=True)
    lessons = Lessons(folder)
    for i, (q, a) in enumerate(conversations()):
        said = [Message(role="user", content=q), Message(role="assistant", content=a)]
        lessons.add(encoder.encode(Example(id=str(i), messages=said)))
    plan = plan_steps(lessons.tokens, epochs=9, capacity=LENGTH * ROWS, seed=7, most=steps + 1)
    attention.register()
    model = load_weights(folder, card, torch.bfloat16, attention.NAME)
    model = Lora(rank=RANK, alpha=32).attach(model, seed=7)
    recipe = Recipe(
        learning_rate=2e-4, weight_decay=0, warmup=0, scheduler="constant", max_gradient=1.0, seed=7, save_steps=10**9,
        packing=True, checkpointing=False, device="cpu",
    )  # fmt: skip
    ends: list[tuple[float, float]] = []
    watch = Watch(metric=lambda *_point: None, progress=lambda *_done: ends.append(now()))
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch) / "kept"
        run = Run(
            model, tokenizer.backend, lessons, plan, held_out=[], validate_at=set(), recipe=recipe, watch=watch,
            kept=kept, plan="",
        )  # fmt: skip
        run.train(Path(scratch))
    timed = [lessons[i] for step in range(1, len(plan)) for i in plan[step]]
    return {
        "seconds": ends[-1][0] - ends[0][0], "processor": ends[-1][1] - ends[0][1], "tokens": sum(map(len, timed)),
        "learned": sum(x.learned_tokens for x in timed),
    }  # fmt: skip


def theirs(folder: Path, steps: int, packing: bool) -> dict[str, float]:
    """The same with TRL's own data preparation, collator, loss and defaults."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    counts: list[tuple[int, int]] = []
    ends: list[tuple[float, float]] = []

    class Counting(SFTTrainer):
        def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
            mask = inputs.get("attention_mask")
            tokens = int(mask.sum()) if mask is not None else inputs["input_ids"].numel()
            counts.append((tokens, int((inputs["labels"] != -100).sum())))
            return super().compute_loss(model, inputs, *arguments, **named)

    class Clock(TrainerCallback):
        def on_step_end(self, *arguments: Any, **named: Any) -> None:
            ends.append(now())

    rows = [
        {"prompt": [{"role": "user", "content": q}], "completion": [{"role": "assistant", "content": a}]}
        for q, a in conversations()
    ]
    with tempfile.TemporaryDirectory() as scratch:
        options = SFTConfig(
            output_dir=scratch, max_steps=steps + 1, per_device_train_batch_size=ROWS, max_length=LENGTH,
            packing=packing, report_to="none", save_strategy="no", use_cpu=True, disable_tqdm=True, bf16=False,
        )  # fmt: skip
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        lora = LoraConfig(r=RANK, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
        Counting(
            model=model, args=options, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
            peft_config=lora, callbacks=[Clock()],
        ).train()  # fmt: skip
    return {
        "seconds": ends[-1][0] - ends[0][0], "processor": ends[-1][1] - ends[0][1],
        "tokens": sum(tokens for tokens, _learned in counts[1:]),
        "learned": sum(learned for _tokens, learned in counts[1:]),
    }  # fmt: skip


def turn(way: str, folder: Path, steps: int) -> dict[str, float]:
    """One way in a process of its own; its peak memory comes back with its counts."""
    command = [sys.executable, __file__, "--one", way, "--steps", str(steps), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="GGUF file")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        import resource

        from tuneloop.models.weights import transformers_module

        transformers_module()
        packing = given.one == "trl-packing"
        found = ours(given.model, given.steps) if given.one == "ours" else theirs(given.model, given.steps, packing)
        print(json.dumps(found | {"mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    with tempfile.TemporaryDirectory() as scratch:
        prepare(given.model, Path(scratch))
        ways = given.ways.split(",")
        turns = {way: [] for way in ways}
        for _round in range(given.rounds):
            for way in ways:
                turns[way].append(turn(way, Path(scratch), given.steps))
    report({way: speeds(found) for way, found in turns.items()})


def speeds(turns: list[dict[str, float]]) -> dict[str, float]:
    """The median turn of one way, as rates."""
    rates = {
        "tokens": lambda t: t["tokens"] / t["seconds"], "learned": lambda t: t["learned"] / t["seconds"],
        "work": lambda t: t["tokens"] / t["processor"], "mib": lambda t: t["mib"],
    }  # fmt: skip
    return {name: statistics.median(map(rate, turns)) for name, rate in rates.items()}


def report(speeds: dict[str, dict[str, float]]) -> None:
    first = next(iter(speeds.values()))
    print(f"{'':14}{'tokens/s':>10}{'learned/s':>11}{'per CPU s':>11}{'peak MiB':>10}{'first is':>10}")
    for way, speed in speeds.items():
        ratio = first["learned"] / speed["learned"]
        print(
            f"{way:14}{speed['tokens']:>10.0f}{speed['learned']:>11.0f}{speed['work']:>11.0f}{speed['mib']:>10.0f}{ratio:>9.2f}x"
        )


if __name__ == "__main__":
    main()
