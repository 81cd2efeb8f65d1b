"""Evaluate a model on questions with reference answers, alone or against another, with or without knowledge."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from tuneloop.errors import TuneloopError
from tuneloop.language import _
from tuneloop.stage import Context, DatasetRef, IndexRef, Kind, ModelRef, Stage, read_table

if TYPE_CHECKING:
    from tuneloop.evaluate.items import Item
    from tuneloop.journal import Journal
    from tuneloop.records import Example


class Evaluate(Stage):
    """Measure a model on questions with reference answers, and compare it with another on the same questions.

    Text metrics are closed book: the model answers from what it has learned. With an index, retrieval is measured on
    every question with a known page, and cited answers on some of them.
    """

    name: ClassVar[str] = "evaluate"
    makes: ClassVar[Kind] = "evaluation"
    positional: ClassVar[tuple[str, ...]] = ("model", "dataset")

    model: ModelRef = Field(description="Model to measure.")
    dataset: DatasetRef = Field(description="Questions with reference answers.")
    against: ModelRef | None = Field(None, description="Model to compare with, on the same questions.")
    knowledge: IndexRef | None = Field(None, description="Index to measure retrieval and cited answers with.")
    limit: int = Field(0, ge=0, description="Questions used, from the first; 0 means all.")
    cited: int = Field(20, ge=0, description="Questions answered from the index, spread evenly; 0 means none.")
    max_tokens: int = Field(96, ge=1, le=8192, description="Longest answer, in tokens.")
    concurrency: int = Field(8, ge=1, le=256, description="Questions asked at once.")
    resamples: int = Field(2000, ge=100, le=100_000, description="Bootstrap resamples of the intervals.")
    seed: int = Field(0, description="Seed of the bootstrap.")

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.evaluate.items import Item
        from tuneloop.evaluate.page import write_page
        from tuneloop.evaluate.scores import summarise
        from tuneloop.journal import Journal
        from tuneloop.records import Score, write_rows

        examples = self.examples(ctx)
        items = [as_item(example) for example in examples]
        journal = Journal(ctx.checkpoint("answers.jsonl"))
        closed = [(example, item) for example, item in zip(examples, items, strict=True) if item.answerable]
        self.answer_closed(ctx, journal, self.model, closed, "answer", _("answering"))
        if self.against:
            self.answer_closed(ctx, journal, self.against, closed, "against", _("answering with the other model"))
        if self.knowledge:
            self.use_knowledge(ctx, journal, examples, items)
        scores, body = summarise(
            items,
            compared=self.against is not None,
            known=self.knowledge is not None,
            resamples=self.resamples,
            seed=self.seed,
        )
        body["settings"] = {
            "max_tokens": self.max_tokens,
            "temperature": 0.0,
            "resamples": self.resamples,
            "level": 0.95,
        }
        write_rows(ctx.out / "items.parquet", Item, items)
        write_rows(ctx.out / "scores.parquet", Score, scores)
        text = json.dumps(body, ensure_ascii=False, indent=1)
        (ctx.out / "evaluation.json").write_text(text + "\n", encoding="utf-8")
        write_page(ctx.out / "report.html", items, scores, body)
        return {k: v for k, v in body.items() if k in ("items", "metrics", "retrieval", "citations", "errors")}

    def examples(self, ctx: Context) -> list[Example]:
        from tuneloop.records import Example

        rows = list(read_table(ctx, self.dataset, "examples", Example))
        rows = rows[: self.limit or None]
        usable = []
        for row in rows:
            if row.question and row.answer:
                usable.append(row)
            else:
                ctx.reject(row.id, "no question or no reference answer", row.model_dump())
        if not usable:
            raise TuneloopError(_("the dataset has no question with a reference answer"), where=self.dataset)
        return usable

    def answer_closed(
        self, ctx: Context, journal: Journal, model: str, pairs: list[tuple[Example, Item]], field: str, phase: str
    ) -> None:
        """Ask one model every question, without passages, and write its answers into ``field`` of the items."""
        from tuneloop.evaluate.generate import ask_all

        keys = [f"{model}|{self.max_tokens}|{example.id}" for example, _item in pairs]
        if all(key in journal for key in keys):  # nothing left to ask: no engine need start
            answers = [journal.get(key) for key in keys]
        else:
            with ctx.chat(model, concurrency=self.concurrency) as client:
                ctx.phase(phase)

                async def ask(number: int) -> dict[str, Any]:
                    said = await client.complete(
                        conversation(pairs[number][0]), max_tokens=self.max_tokens, temperature=0.0
                    )
                    return {"text": said.text.strip(), "tokens": said.completion_tokens}

                told = progress(ctx, len(pairs))
                answers = ask_all(keys, ask, journal, concurrency=self.concurrency, told=told)
        for (_example, item), answer in zip(pairs, answers, strict=True):
            setattr(item, field, answer.get("text", ""))
            if "error" in answer:  # counts as an empty answer: it is not dropped, and it is told
                item.error = f"{field}: {answer['error']}"

    def use_knowledge(self, ctx: Context, journal: Journal, examples: list[Example], items: list[Item]) -> None:
        """Search for every question; answer some with citations."""
        from tuneloop.answer import Answerer
        from tuneloop.evaluate.generate import ask_all
        from tuneloop.evaluate.items import CitedSentence
        from tuneloop.knowledge import open_index

        assert self.knowledge is not None
        knowledge = open_index(ctx.path(self.knowledge))
        ctx.phase(_("searching"))
        told = progress(ctx, len(items))
        for number, item in enumerate(items):
            item.found = [passage.chunk.name for passage in knowledge.search(item.question, 5)]
            item.rank = next((r for r, name in enumerate(item.found, 1) if right_page(name, item.pages)), None)
            told(number + 1)
        chosen = spread(len(items), self.cited)
        if not chosen:
            return
        keys = [f"cited|{self.model}|{self.knowledge}|{self.max_tokens}|{items[n].id}" for n in chosen]
        with ctx.chat(self.model, concurrency=self.concurrency) as client:
            ctx.phase(_("answering from the documents"))
            answerer = Answerer(knowledge, client)

            async def ask(number: int) -> dict[str, Any]:
                said = await answerer.answer(conversation(examples[chosen[number]]), max_tokens=self.max_tokens)
                cited = [
                    {
                        "sentence": said.text[c.answer_start : c.answer_end],
                        **c.model_dump(include=set(CitedSentence.model_fields)),
                    }
                    for c in said.citations
                ]
                return {"text": said.text, "answerable": said.answerable, "citations": cited}

            answers = ask_all(keys, ask, journal, concurrency=self.concurrency, told=progress(ctx, len(chosen)))
        for number, answer in zip(chosen, answers, strict=True):
            if "error" in answer:
                items[number].error = f"cited: {answer['error']}"
                continue
            items[number].cited, items[number].said_unanswerable = answer["text"], not answer["answerable"]
            items[number].citations = [CitedSentence.model_validate(c) for c in answer["citations"]]


def as_item(example: Example) -> Item:
    from tuneloop.evaluate.items import Item

    return Item(
        id=example.id, question=example.question, reference=example.answer, answerable=example.answerable,
        pages=list(dict.fromkeys(source.name for source in example.sources if source.name)),
    )  # fmt: skip


def conversation(example: Example) -> list[dict[str, str]]:
    """The turns before the reference answer."""
    turns = [message.model_dump() for message in example.messages]
    while turns and turns[-1]["role"] == "assistant":
        turns.pop()
    return turns


def right_page(name: str, pages: list[str]) -> bool:
    """Whether a found document is one of the right ones: the same path, or the same file at the end of a longer one."""
    return any(name == page or name.endswith("/" + page) or page.endswith("/" + name) for page in pages)


def spread(total: int, wanted: int) -> list[int]:
    """``wanted`` numbers below ``total``, evenly apart."""
    if wanted >= total:
        return list(range(total))
    return [number * total // wanted for number in range(wanted)]


def progress(ctx: Context, total: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        ctx.progress(done, total, _("questions"))

    return told
