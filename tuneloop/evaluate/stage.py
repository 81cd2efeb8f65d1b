"""Evaluate a model on questions with reference answers, alone or against another, with or without knowledge."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from tuneloop.choice import Named
from tuneloop.errors import TuneloopError
from tuneloop.evaluate.scorers import BUILT_IN, SCORERS, scorers_of
from tuneloop.language import _, stored
from tuneloop.resources import ENGINE, Resources
from tuneloop.stage import Context, DatasetRef, IndexRef, Kind, ModelRef, Stage, read_table, short_name

if TYPE_CHECKING:
    from pathlib import Path

    from tuneloop.answer import Answer
    from tuneloop.chat import ChatClient
    from tuneloop.evaluate.items import Item
    from tuneloop.journal import Journal
    from tuneloop.records import Example, Message

    Pair = tuple[Example, Item]

LEVEL = 0.95  # of the intervals
PATIENCE = 600.0  # seconds: on a slow machine a question waits for the seven before it
SUMMARY = (
    "items", "primary", "metrics", "labels", "baselines", "correctness", "cut", "learned", "retrieval", "citations",
    "abstention", "errors", "warnings",
)  # fmt: skip


class Evaluate(Stage):
    """Measure a model on questions with reference answers, and compare it with another on the same questions.

    Text metrics are closed book: the model answers from what it has learned. With an index, retrieval is measured on
    every question with a known page, and both models answer some of them from its passages, with citations; whether
    an answer is right is then told for each model with and without the documents. A model of the workspace is not
    asked the same question twice; --rerun asks it anew.
    """

    name: ClassVar[str] = "evaluate"
    makes: ClassVar[Kind] = "evaluation"
    version: ClassVar[int] = 7
    positional: ClassVar[tuple[str, ...]] = ("model", "dataset")
    resources: ClassVar[Resources] = ENGINE

    model: ModelRef = Field(description="Model to measure.")
    dataset: DatasetRef = Field(description="Questions with reference answers.")
    against: ModelRef | None = Field(None, description="Model to compare with, on the same questions.")
    knowledge: IndexRef | None = Field(None, description="Index to measure retrieval and cited answers with.")
    limit: int = Field(0, ge=0, description="Questions used, from the first; 0 means all.")
    closed: int = Field(0, ge=0, description="Questions answered without the index, spread evenly; 0 means all.")
    cited: int = Field(20, ge=0, description="Questions answered from the index, spread evenly; 0 means none.")
    max_tokens: int = Field(96, ge=1, le=8192, description="Longest answer, in tokens.")
    concurrency: int = Field(8, ge=1, le=256, description="Questions asked at once.")
    resamples: int = Field(9999, ge=100, le=100_000, description="Bootstrap draws, where not all are looked at.")
    seed: int = Field(0, description="Seed of the bootstrap.")
    scorers: list[Annotated[str, Named(SCORERS)]] = Field(
        [], description="Metrics of an answer; where none is named, all that are built in."
    )
    primary: Annotated[str, Named(SCORERS, also=("auto", "with_documents", "closed_book"))] = Field(
        "auto",
        description="What decides, chosen before it is known; auto: right answers with the documents, or without.",
    )

    @model_validator(mode="after")
    def one_that_is_measured_decides(self) -> Self:
        if self.primary in SCORERS:
            if self.primary not in (self.scorers or BUILT_IN):
                raise ValueError(_("{name!r} cannot decide: it is not measured").format(name=self.primary))
            if SCORERS.find(self.primary).more_is_better is None:
                raise ValueError(_("{name!r} cannot decide: it only describes").format(name=self.primary))
        return self

    def output_name(self) -> str:
        """Which model, on which questions: an evaluation on others is another, and not its successor."""
        return f"{short_name(self.model)}-on-{short_name(self.dataset)}"

    def needed(self, path: Callable[[str], Path]) -> Resources:
        here = [model for model in (self.model, self.against) if model and model.startswith("model:")]
        return self.resources if here else Resources()

    def fingerprint(self) -> str:
        """The packages whose scorers measure, with their versions."""
        return SCORERS.editions(self.scorers)

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.evaluate.items import Item
        from tuneloop.evaluate.page import write_page
        from tuneloop.evaluate.scores import summarise
        from tuneloop.records import Score, write_rows

        examples = self.examples(ctx)
        everything = [as_item(example) for example in examples]
        examples, items, learned = self.leave_out_learned(ctx, examples, everything)
        chosen = set(spread(len(items), self.closed or len(items)))
        closed = [(e, i) for n, (e, i) in enumerate(zip(examples, items, strict=True)) if i.answerable and n in chosen]
        if not closed and not self.knowledge:
            raise TuneloopError(_("the dataset has no question with a reference answer"), where=self.dataset)
        cited = self.search(ctx, examples, items)
        self.ask_model(ctx, self.model, closed, "answer", cited)
        if self.against:
            self.ask_model(ctx, self.against, closed, "against", cited)
        for item in items:
            if item.failed:
                ctx.reject(item.id, stored("not answered: {}").format(item.error), item.model_dump(), lost=True)
        scores, body = summarise(
            items, scorers_of(self.scorers), compared=self.against is not None, known=self.knowledge is not None,
            resamples=self.resamples, seed=self.seed, primary=self.primary,
        )  # fmt: skip
        for name, why in body.get("unscored", {}).items():
            ctx.reject(name, stored("this metric did not measure the answers: {}").format(why), lost=True)
        body["learned"] = learned
        body["warnings"] += learned_warnings(learned)
        body["settings"] = {
            "max_tokens": self.max_tokens, "temperature": 0.0, "resamples": self.resamples, "level": LEVEL,
            "system_prompt": "each model's own",
        }  # fmt: skip
        write_rows(ctx.out / "items.parquet", Item, everything)
        write_rows(ctx.out / "scores.parquet", Score, scores)
        text = json.dumps(body, ensure_ascii=False, indent=1)
        (ctx.out / "evaluation.json").write_text(text + "\n", encoding="utf-8")
        write_page(ctx.out / "report.html", everything, scores, body)
        return {k: body[k] for k in SUMMARY if k in body}

    def examples(self, ctx: Context) -> list[Example]:
        """The questions. Examples that are asked with passages are left out: their question holds its answer."""
        from tuneloop.kinds.dataset import EXAMPLES
        from tuneloop.records import Origin

        rows = [row for row in read_table(ctx, self.dataset, EXAMPLES) if row.origin != Origin.GROUNDED]
        usable = []
        for row in rows[: self.limit or None]:
            if row.holds:
                ctx.reject(row.id, stored("it holds more than text: {}").format(", ".join(row.holds)), row.model_dump())
            elif row.question and row.answer and is_reference(row.conversation[-1]):
                usable.append(row)
            else:
                ctx.reject(row.id, stored("no question with a reference answer at its end"), row.model_dump())
        if not usable:
            raise TuneloopError(_("the dataset has no question with a reference answer"), where=self.dataset)
        return usable

    def leave_out_learned(
        self, ctx: Context, examples: list[Example], items: list[Item]
    ) -> tuple[list[Example], list[Item], dict[str, Any]]:
        """What none of the models was trained on, and an account of the rest. Raises where nothing is left."""
        from tuneloop.evaluate.contamination import account, learned_by, mark_seen

        learned = [learned_by(ctx, model) for model in (self.model, self.against) if model]
        mark_seen(examples, items, learned)
        kept = [(example, item) for example, item in zip(examples, items, strict=True) if not item.learned]
        if not kept:
            message = _("a model was trained on every question of this exam, so nothing is left to measure it with")
            hint = _("Use questions that it was not trained on, such as the other part of a split.")
            raise TuneloopError(message, where=self.dataset, hint=hint)
        for item in items:
            if item.learned:
                reason = stored("a model was trained on this question: {}").format(item.learned)
                ctx.reject(item.id, reason, item.model_dump(), lost=False)
        return [example for example, _item in kept], [item for _example, item in kept], account(items, learned)

    def search(self, ctx: Context, examples: list[Example], items: list[Item]) -> list[tuple[Example, Item]]:
        """Search the index for every question, and return those that are to be answered with citations."""
        if not self.knowledge:
            return []
        from tuneloop.knowledge import open_index
        from tuneloop.knowledge.answerable import EVIDENCE

        knowledge = open_index(ctx.path(self.knowledge), settings=ctx.store.settings)
        ctx.phase(stored("searching"))
        told = progress(ctx, len(items))
        for number, item in enumerate(items, 1):
            passages = knowledge.search(item.question, 5)
            item.found = [passage.chunk.name for passage in passages]
            item.rank = next((r for r, name in enumerate(item.found, 1) if item.is_page(name)), None)
            item.confidence = round(knowledge.answerable(item.question, passages[:EVIDENCE]), 6)
            item.accepted = bool(passages) and item.confidence >= knowledge.answerability.threshold
            item.sentence = first_sentence(passages[0].chunk.text if item.accepted else "", item.question)
            told(number)
        return [(examples[number], items[number]) for number in spread(len(items), self.cited)]

    def ask_model(self, ctx: Context, model: str, closed: list[Pair], field: str, cited: list[Pair]) -> None:
        """Ask one model: closed book into ``field`` of the items, then with citations. No engine where all is known."""
        journal = self.journal(ctx, model)
        plain = [key(model, self.max_tokens, "", example) for example, _item in closed]
        source = f"{self.knowledge}, passages {self.shown(ctx)}" if cited else ""
        with_passages = [key(model, self.max_tokens, source, example) for example, _item in cited]
        if all(k in journal for k in plain + with_passages):
            self.answer_closed(ctx, None, journal, plain, closed, field)
            self.answer_cited(ctx, None, journal, with_passages, cited, field)
            return
        with ctx.chat(model, concurrency=self.concurrency, timeout=PATIENCE, retries=2) as client:
            self.answer_closed(ctx, client, journal, plain, closed, field)
            self.answer_cited(ctx, client, journal, with_passages, cited, field)

    def journal(self, ctx: Context, model: str) -> Journal:
        """What this run was told, and, of a model that cannot change, what any run in this workspace was told.

        Of others' answers nothing where the same evaluation is asked for again: its answers are to be new.
        """
        from tuneloop.journal import Journal
        from tuneloop.records import content_id

        name = f"answers-{content_id(model)}.jsonl"
        shared = [ctx.store.cache / "evaluate" / name] if model.startswith("model:") else []
        return Journal(ctx.checkpoint(name), *shared, fresh=ctx.again)

    def answer_closed(
        self, ctx: Context, client: ChatClient | None, journal: Journal, keys: list[str], pairs: list[Pair], field: str
    ) -> None:
        """Ask every question without passages, and write the answers into ``field`` of the items."""
        from tuneloop.evaluate.generate import ask_all, too_many, unanswered

        ctx.phase(stored("answering") if field == "answer" else stored("answering with the other model"))
        fresh, start = sum(k not in journal for k in keys), time.monotonic()

        async def ask(number: int) -> dict[str, Any]:
            assert client, "without a client, every answer is in the journal"
            said = await client.complete(conversation(pairs[number][0]), max_tokens=self.max_tokens, temperature=0.0)
            return {"text": said.text.strip(), "tokens": said.completion_tokens, "finish": said.finish_reason}

        answers = ask_all(keys, ask, journal, concurrency=self.concurrency, told=progress(ctx, len(keys)))
        if fresh:
            ctx.metric(f"{field}_answers_per_second", fresh / (time.monotonic() - start))
        for (_example, item), answer in zip(pairs, answers, strict=True):
            if "error" in answer:
                item.fail(field, answer["error"])
                continue
            setattr(item, field, answer["text"])
            item.ended(field, answer.get("finish"))
            if not answer["text"]:  # which is an answer: it counts, as nothing
                item.tell(field, stored("an empty answer"))
        failed = [item for _example, item in pairs if item.left_out]
        if too_many(len(failed), len(pairs)):
            raise unanswered(len(failed), len(pairs), failed[0].error)

    def shown(self, ctx: Context) -> int:
        """How many passages the model is shown: as many as it learned to answer from."""
        from tuneloop.answer.prompt import PASSAGES
        from tuneloop.models import read_card

        return (read_card(ctx.path(self.model)).passages if self.model.startswith("model:") else 0) or PASSAGES

    def answer_cited(
        self, ctx: Context, client: ChatClient | None, journal: Journal, keys: list[str], pairs: list[Pair], field: str
    ) -> None:
        """Answer some questions as the gateway does, from passages and with citations.

        Both models are shown the passages that the measured one is served with, so that only the model differs.
        """
        from tuneloop.answer import Answerer
        from tuneloop.evaluate.generate import ask_all
        from tuneloop.evaluate.items import CitedSentence
        from tuneloop.knowledge import open_index

        if not pairs or not self.knowledge:
            return
        ours = field == "answer"
        prefix = "" if ours else "against_"
        other = stored("the other model answering from the documents")
        ctx.phase(stored("answering from the documents") if ours else other)
        fresh, start = sum(k not in journal for k in keys), time.monotonic()
        knowledge = open_index(ctx.path(self.knowledge), settings=ctx.store.settings)
        answerer = Answerer(knowledge, client, k=self.shown(ctx)) if client else None

        async def ask(number: int) -> dict[str, Any]:
            assert answerer, "without a client, every answer is in the journal"
            return as_json(await answerer.answer(conversation(pairs[number][0]), max_tokens=self.max_tokens))

        answers = ask_all(keys, ask, journal, concurrency=self.concurrency, told=progress(ctx, len(pairs)))
        if fresh:
            ctx.metric(f"{prefix}cited_answers_per_second", fresh / (time.monotonic() - start))
        for (_example, item), answer in zip(pairs, answers, strict=True):
            if "error" in answer:
                item.fail(f"{prefix}cited", answer["error"])
                continue
            setattr(item, f"{prefix}cited", answer["text"])
            item.ended(f"{prefix}cited", answer.get("finish"))
            setattr(item, f"{prefix}said_unanswerable", not answer["answerable"])
            setattr(item, f"{prefix}citations", [CitedSentence.model_validate(c) for c in answer["citations"]])


def key(model: str, max_tokens: int, knowledge: str, example: Example) -> str:
    """All that an answer depends on; one from passages also on how they are found, shown and checked."""
    from tuneloop.records import content_id

    made = ""
    if knowledge:
        from tuneloop.answer import VERSION
        from tuneloop.knowledge.opened import FORMAT

        made = f"answer {VERSION}, index {FORMAT}"
    return content_id(model, str(max_tokens), knowledge, made, json.dumps(conversation(example)), length=32)


def as_json(said: Answer) -> dict[str, Any]:
    """What is kept of a cited answer."""
    from tuneloop.evaluate.items import CitedSentence

    kept = set(CitedSentence.model_fields)
    cited = [
        {"sentence": said.text[c.answer_start : c.answer_end], **c.model_dump(include=kept)} for c in said.citations
    ]
    return {"text": said.text, "answerable": said.answerable, "citations": cited, "finish": said.finish_reason}


def learned_warnings(learned: dict[str, Any]) -> list[str]:
    """What a reader must know of training questions in the exam."""
    found = []
    if learned["count"]:
        found.append(
            stored("questions that a model was trained on, and that are left out: {}").format(learned["count"])
        )
    if learned["gone"]:
        names = ", ".join(learned["gone"])
        found.append(stored("removed, so it is not known whether the exam was trained on: {}").format(names))
    return found


def first_sentence(passage: str, question: str) -> str:
    """What an answer without a model would be: the first sentence of the best passage that is not a heading."""
    from tuneloop.answer.prompt import REFUSAL, answering
    from tuneloop.text.sentences import sentences

    found = [text.strip() for text in sentences(passage) if not text.lstrip().startswith("#")]
    return found[0] if found else REFUSAL[answering(question)]


def as_item(example: Example) -> Item:
    from tuneloop.evaluate.items import Item

    return Item(
        id=example.id, question=example.question, reference=example.answer, answerable=example.answerable,
        pages=list(dict.fromkeys(source.name for source in example.sources if source.name)),
    )  # fmt: skip


def is_reference(last: Message) -> bool:
    """Whether a last turn is an answer that others are measured by; a draft of weight 0 is none."""
    return last.role == "assistant" and last.weight != 0


def conversation(example: Example) -> list[dict[str, str]]:
    """The turns before the reference answer."""
    turns = [message.as_said(wire=True) for message in example.conversation]
    while turns and turns[-1]["role"] == "assistant":
        turns.pop()
    return turns


def spread(total: int, wanted: int) -> list[int]:
    """``wanted`` numbers below ``total``, evenly apart."""
    if wanted >= total:
        return list(range(total))
    return [number * total // wanted for number in range(wanted)]


def progress(ctx: Context, total: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        ctx.progress(done, total, stored("questions"))

    return told
