"""The main job: documents in; a tuned, measured, cited, load-tested model out. Each step is a stage like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuneloop.errors import TuneloopError
from tuneloop.language import _, stored
from tuneloop.registry import find_stage
from tuneloop.runner import RunResult, Watcher, Workspace
from tuneloop.store.names import check_name
from tuneloop.text.language import language_of

REPOSITORY = Path(__file__).resolve().parent.parent.parent

EXAM_SHARE = 0.25  # of the passages asked about, where no exam is given

Told = Callable[[RunResult], None]

LABELS = (
    stored("parse"), stored("chunk"), stored("index"), stored("base model"), stored("teacher"), stored("exam"),
    stored("synthesize"), stored("split"), stored("held out"), stored("train"), stored("compress"),
    stored("base at equal precision"), stored("evaluate"), stored("loadtest"),
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What differs between the languages: models, and sizes chosen for two cores."""

    base: str
    teacher: str
    synthesize: dict[str, Any]
    train: dict[str, Any]
    evaluate: dict[str, Any]
    loadtest: dict[str, Any]


RECIPES = {
    "en": Recipe(
        base="smollm2-135m-instruct",
        teacher="qwen2.5-coder-0.5b-instruct",
        synthesize={"limit": 48, "pairs": 3, "grounded_share": 0.5, "passages": 1},
        train={"epochs": 2, "learning_rate": 8e-4},
        evaluate={"max_tokens": 64, "closed": 40, "cited": 80},
        loadtest={"rate": 0.4, "seconds": 20, "max_tokens": 48},
    ),
    "zh": Recipe(
        base="qwen2.5-coder-0.5b-instruct",
        teacher="qwen2.5-coder-0.5b-instruct",
        synthesize={"limit": 48, "pairs": 3, "grounded_share": 0.4, "passages": 2},
        train={"epochs": 2, "learning_rate": 4e-4},
        evaluate={"max_tokens": 64, "closed": 40, "cited": 60},
        loadtest={"rate": 0.15, "seconds": 30, "max_tokens": 48},
    ),
}


@dataclass
class Outcome:
    """Everything that the report shows."""

    name: str
    language: str
    recipe: Recipe
    synthetic: bool  # no exam was given: a part of the synthetic questions served
    results: dict[str, RunResult] = field(default_factory=dict)
    model: str = ""
    index: str = ""

    @property
    def base(self) -> str:
        """The base model's name without its kind."""
        return self.recipe.base.rpartition(":")[2]


def pulled(workspace: Workspace, model: str) -> bool:
    """Whether a model is to be brought here by ``pull``: from the catalogue, a hub, a folder or a file."""
    from tuneloop.engines.pull import HUB, is_path
    from tuneloop.models import CATALOGUE

    if workspace.is_endpoint(model):
        return False
    return bool(HUB.fullmatch(model)) or is_path(model) or model.lower() in [entry.name for entry in CATALOGUE]


def check_models(workspace: Workspace, recipe: Recipe) -> None:
    """Raise where a model is not here and cannot be pulled, or no server will do, before the first stage is begun."""
    for model, here in ((recipe.base, True), (recipe.teacher, False)):
        if pulled(workspace, model):
            find_stage("pull").model_validate({"model": model}).check_outside(workspace.store.settings)
        else:
            workspace.check_key(workspace.address(model, "model", here=here))


def check_begun(workspace: Workspace, outcome: Outcome, documents: list[Path], exam: Path | None) -> None:
    """Raise for what else would end the main job after its first stages: a name, a file, what makes the vectors."""
    for name in ("", "-exam", "-train", "-q8_0"):
        check_name(outcome.name + name)
    steps: list[tuple[str, dict[str, Any]]] = [
        ("parse", {"paths": [str(path) for path in documents]}),
        ("index", {"chunks": f"chunks:{outcome.name}"}),
        *([("import", {"file": str(exam)})] if exam else []),
    ]
    for stage, fields in steps:
        find_stage(stage).model_validate(fields).check_outside(workspace.store.settings)


def own_documents(language: str) -> tuple[Path, Path]:
    """Tuneloop's own guide and its exam: beside the package, or, where that is installed, in the current folder."""
    for root in (REPOSITORY, Path.cwd()):
        guide, exam = root / "docs" / language, root / "examples" / "help-desk" / f"exam.{language}.jsonl"
        if guide.is_dir() and exam.is_file():
            return guide, exam
    raise TuneloopError(
        _("Tuneloop's own documentation is not here, because this is not a checkout of its repository"),
        hint=_("Say which documents: tuneloop demo --documents FOLDER"),
    )


def guess_language(paths: list[Path]) -> str:
    """``zh`` where the first text files are Chinese, else ``en``."""
    sample = ""
    for path in paths:
        files = (
            sorted(p for p in path.rglob("*") if p.suffix.lower() in (".md", ".txt", ".html"))
            if path.is_dir()
            else [path]
        )
        for file in files[:5]:
            try:
                sample += file.read_bytes()[:4000].decode("utf-8", "ignore")
            except OSError:
                continue
    return "zh" if language_of(sample) == "zh" else "en"


class Pipeline:
    """The stages of the main job, in order. ``told`` hears of each result, ``watch`` of the progress within."""

    def __init__(self, workspace: Workspace, outcome: Outcome, *, watch: Watcher, told: Told) -> None:
        self.workspace, self.outcome, self.watch, self.told = workspace, outcome, watch, told

    def stage(self, label: str, stage: str, *, name: str = "", **fields: Any) -> RunResult:
        given = find_stage(stage).model_validate(fields)
        result = self.workspace.run(given, name=name or self.outcome.name, watch=self.watch)
        self.outcome.results[label] = result
        self.told(result)
        return result

    def model(self, label: str, model: str, *, here: bool = False) -> str:
        """A model as the stages take it: pulled, where a hub, the catalogue or a folder has it."""
        if pulled(self.workspace, model):
            given = find_stage("pull").model_validate({"model": model})
            return str(self.stage(label, "pull", name=given.default_name(), model=model).address)
        return self.workspace.address(model, "model", here=here)

    def run(self, documents: list[Path], exam: Path | None) -> Outcome:
        """Run every stage to the end."""
        recipe, name = self.outcome.recipe, self.outcome.name
        self.stage("parse", "parse", paths=[str(p) for p in documents])
        chunks = self.stage("chunk", "chunk", documents=f"documents:{name}")
        index = self.stage("index", "index", chunks=f"chunks:{name}")
        self.outcome.index = str(index.address)
        base = self.model("base model", recipe.base, here=True)
        teacher = base if recipe.teacher == recipe.base else self.model("teacher", recipe.teacher)
        questions = str(self.stage("exam", "import", name=f"{name}-exam", file=str(exam)).address) if exam else None
        if questions:
            dataset = self.synthesize(str(chunks.address), teacher, exclude=questions)
        else:
            made = self.synthesize(str(chunks.address), teacher)
            dataset, questions = self.split(made)
        tuned = self.stage("train", "train", dataset=dataset, model=base, **recipe.train)
        served = self.stage("compress", "compress", name=f"{name}-q8_0", model=str(tuned.address), to="gguf:q8_0")
        self.outcome.model = str(served.address)
        # The base may come in fewer bits than the tuned model; at the same precision the difference is the tuning.
        same = self.stage(
            "base at equal precision", "compress", name=f"{self.outcome.base}-q8_0", model=base, to="gguf:q8_0"
        )
        self.stage(
            "evaluate", "evaluate", model=self.outcome.model, dataset=questions, against=str(same.address),
            knowledge=self.outcome.index, **recipe.evaluate,
        )  # fmt: skip
        self.stage(
            "loadtest",
            "loadtest",
            model=self.outcome.model,
            knowledge=self.outcome.index,
            dataset=questions,
            **recipe.loadtest,
        )
        return self.outcome

    def synthesize(self, chunks: str, teacher: str, **fields: Any) -> str:
        language = self.outcome.language
        result = self.stage(
            "synthesize",
            "synthesize",
            chunks=chunks,
            teacher=teacher,
            language=language,
            **self.outcome.recipe.synthesize,
            **fields,
        )
        return str(result.address)

    def split(self, made: str) -> tuple[str, str]:
        """Without an exam: a part of the synthetic questions serves as one, and is kept out of training."""
        kept = self.stage(
            "split", "split", name=f"{self.outcome.name}-train", dataset=made, share=EXAM_SHARE, part="train"
        )
        held = self.stage(
            "held out", "split", name=f"{self.outcome.name}-exam", dataset=made, share=EXAM_SHARE, part="exam"
        )
        return str(kept.address), str(held.address)
