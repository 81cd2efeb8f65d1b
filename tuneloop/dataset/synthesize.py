"""Stage Synthesize: a teacher writes questions and answers from chunks; what does not pass the gates is set aside."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tuneloop.errors import TuneloopError
from tuneloop.kinds.dataset import EXAMPLES
from tuneloop.kinds.documents import CHUNKS
from tuneloop.language import _, aside, shown, stored
from tuneloop.records import Chunk, Example, Message, Origin, Source, content_id
from tuneloop.resources import ENGINE, Resources
from tuneloop.stage import ChunksRef, Context, DatasetRef, Kind, RefTo, Stage, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from tuneloop.dataset.curation import Candidate, Refusal
    from tuneloop.dataset.task import Reply, Task
    from tuneloop.dataset.teacher import Teacher


TOO_LITTLE = stored("too little prose to ask about")


class Synthesize(Stage):
    """Have a teacher model write question-answer pairs from chunks, and keep those that their chunk carries."""

    name: ClassVar[str] = "synthesize"
    makes: ClassVar[Kind] = "dataset"
    positional: ClassVar[tuple[str, ...]] = ("chunks",)
    resources: ClassVar[Resources] = ENGINE
    version: ClassVar[int] = 4

    chunks: ChunksRef = Field(description="Chunks to ask about.")
    teacher: Annotated[str, RefTo("model")] = Field(
        description="Model that writes the pairs: a catalogue name, model:NAME, an endpoint, or URL#MODEL."
    )
    pairs: int = Field(2, ge=1, le=10, description="Pairs asked for from each chunk.")
    limit: int = Field(0, ge=0, description="Most chunks used, spread evenly over the documents; 0 means all.")
    answers: Literal["auto", "quoted", "written"] = Field(
        "auto",
        description="quoted: sentences of the document; written: by the teacher; auto: written by a remote teacher.",
    )
    language: Literal["auto", "en", "zh"] = Field("auto", description="Language of the pairs; auto follows the chunk.")
    exclude: DatasetRef | None = Field(None, description="Exam whose questions must never be learned.")
    grounded_share: float = Field(
        0.2, ge=0, le=1, description="Share of the examples that are asked a second time with passages, as in serving."
    )
    passages: int = Field(
        3,
        ge=1,
        le=10,
        description="Passages in such a question; a small model answers best from one. Kept for serving.",
    )
    concurrency: int = Field(8, ge=1, le=256, description="Chunks that the teacher works on at once.")
    max_tokens: int = Field(400, ge=32, description="Longest reply for one chunk, in tokens.")
    temperature: float = Field(0.3, ge=0, le=2, description="Temperature of the teacher; 0 takes the likeliest words.")
    timeout: float = Field(300.0, gt=0, description="Seconds after which a reply is given up and asked for again.")
    seed: int = Field(0, description="Seed of the choice of chunks and of the teacher.")

    def needed(self, path: Callable[[str], Path]) -> Resources:
        return self.resources if self.teacher.startswith("model:") else Resources()

    def fingerprint(self) -> str:
        from tuneloop.dataset.curation import editions

        return editions()

    def run(self, ctx: Context) -> dict[str, Any]:
        ctx.phase(stored("choosing chunks"))
        chunks = list(read_table(ctx, self.chunks, CHUNKS))
        tasks, unasked = self.choose(ctx, chunks)
        teacher = self.open_teacher(ctx)
        replies = self.ask(ctx, teacher, tasks)
        ctx.phase(stored("checking pairs"))
        kept = Sieve(ctx, self.exam(ctx))
        examples = kept.examples(tasks, replies)
        if not examples:
            reason = kept.reasons.most_common(1)
            hint = _("Most frequent reason: {}").format(shown(reason[0][0])) if reason else ""
            if detail := next((reply.detail for reply in replies if reply.detail), ""):
                hint += aside(shown(detail))
            raise TuneloopError(_("no pair passed the gates"), where=self.chunks[:24], hint=hint)
        grounded = self.with_passages(examples, chunks)
        EXAMPLES.write(ctx.out, [*examples, *grounded])
        reasons = kept.reasons + unasked
        ctx.metric("kept_share", len(examples) / kept.written if kept.written else 0.0)
        return {
            "examples": len(examples) + len(grounded), "chunks": len({t.chunk.id for t in tasks}),
            "pairs": kept.written, "rejected": reasons.total(), "reasons": dict(reasons.most_common()),
            "shortened": kept.shortened, "grounded": len(grounded),
            "passages": self.passages if grounded else 0,
            "documents": len({t.chunk.document for t in tasks}), "languages": dict(Counter(t.language for t in tasks)),
        }  # fmt: skip

    def choose(self, ctx: Context, chunks: Sequence[Chunk]) -> tuple[list[Task], Counter[str]]:
        """What is asked: about one chunk of each document in turn, in an order drawn with the seed; and how many of
        those looked at were set aside, by reason."""
        make, unasked = self.task_maker(ctx), Counter[str]()
        chosen: dict[str, list[Task]] = {}
        for chunk in spread(chunks, self.seed) if self.limit else chunks:
            if tasks := make(chunk):
                chosen[chunk.id] = tasks
                if len(chosen) == self.limit:
                    break
            else:
                unasked[TOO_LITTLE] += 1
                ctx.reject(chunk.id, TOO_LITTLE, chunk.text)
        if not chosen:
            raise TuneloopError(_("no chunk has enough prose to ask about"), where=self.chunks[:24])
        return [task for chunk in chunks for task in chosen.get(chunk.id, ())], unasked

    def task_maker(self, ctx: Context) -> Callable[[Chunk], list[Task]]:
        """What makes requests of a chunk; none of one that has nothing to ask about."""
        from tuneloop.dataset.gates import CONTENT
        from tuneloop.dataset.grounding import Passage
        from tuneloop.dataset.quoted import quoted_tasks
        from tuneloop.dataset.written import written_task
        from tuneloop.text.language import language_of

        endpoint = self.teacher.startswith(("http://", "https://")) or self.teacher in ctx.store.settings.endpoints
        written = self.answers == "written" or (self.answers == "auto" and endpoint)

        def make(chunk: Chunk) -> list[Task]:
            passage = Passage.of(chunk)
            own = language_of(chunk.text, "en")
            language = own if self.language == "auto" else self.language
            if passage.content < CONTENT:
                return []
            if written or language != own:  # a quotation cannot be in another language
                return [written_task(chunk, self.pairs, language)]
            return quoted_tasks(passage, self.pairs, language)

        return make

    def open_teacher(self, ctx: Context) -> Teacher:
        from tuneloop.dataset.teacher import Teacher
        from tuneloop.journal import Journal

        endpoint = ctx.store.settings.endpoints.get(self.teacher)
        identity = f"{endpoint.url}#{endpoint.model}" if endpoint else self.teacher
        journal = Journal(
            ctx.checkpoint("answers.jsonl"), ctx.store.cache / "teacher" / f"{content_id(identity)}.jsonl"
        )
        return Teacher(identity, journal, self.max_tokens, self.temperature, self.seed)

    def ask(self, ctx: Context, teacher: Teacher, tasks: Sequence[Task]) -> list[Reply]:
        """The reply to every task: from the cache, or from the teacher, which starts only where it is needed."""
        import asyncio

        known = [teacher.known(task) for task in tasks]
        missing = [task for task, reply in zip(tasks, known, strict=True) if reply is None]
        if missing:
            ctx.phase(stored("starting the teacher"))
            have = len(tasks) - len(missing)
            with ctx.chat(self.teacher, concurrency=self.concurrency, timeout=self.timeout, retries=2) as client:
                ctx.phase(stored("asking the teacher"))
                ctx.progress(have, len(tasks), stored("requests"))
                told = lambda done: ctx.progress(have + done, len(tasks), stored("requests"))  # noqa: E731
                asked = iter(asyncio.run(teacher.ask_all(client, missing, told, self.concurrency)))
            ctx.metric("teacher_tokens_per_second", teacher.tokens / max(teacher.seconds, 1e-9))
            known = [reply if reply is not None else next(asked) for reply in known]
        return [reply for reply in known if reply is not None]

    def exam(self, ctx: Context) -> list[str]:
        if not self.exclude:
            return []
        return [example.question for example in read_table(ctx, self.exclude, EXAMPLES)]

    def with_passages(self, examples: Sequence[Example], chunks: Sequence[Chunk]) -> list[Example]:
        """A share of the examples, asked again the way the served model is asked."""
        if not self.grounded_share:
            return []
        from tuneloop.dataset.grounded import Grounder

        return Grounder(chunks, self.seed, self.passages).again(examples, self.grounded_share)


class Sieve:
    """What passes the gates, as examples; the rest is set aside and counted by reason."""

    def __init__(self, ctx: Context, exam: Sequence[str]) -> None:
        from tuneloop.dataset.curation import Curation

        self.ctx, self.exam, self.gates = ctx, exam, Curation()
        self.reasons: Counter[str] = Counter()
        self.written = self.shortened = 0

    def examples(self, tasks: Sequence[Task], replies: Sequence[Reply]) -> list[Example]:
        kept: list[Example] = []
        for candidate, refusal in self.gates.sift(self.candidates(tasks, replies), self.exam):
            if refusal:
                self.refuse(candidate, refusal)
            else:
                kept.append(as_example(candidate))
        for name, reason in self.gates.unusable():
            self.reasons[reason] += 1
            self.ctx.reject(name, reason, lost=True)
        return kept

    def candidates(self, tasks: Sequence[Task], replies: Sequence[Reply]) -> Iterator[Candidate]:
        """The pairs that their chunk carries, in order."""
        from tuneloop.dataset.curation import Candidate
        from tuneloop.dataset.grounding import Passage

        for number, (task, reply) in enumerate(zip(tasks, replies, strict=True), 1):
            self.ctx.progress(number, len(tasks), stored("requests"))
            if reply.problem or reply.rest:
                reason = reply.problem or stored("the teacher's reply breaks off")
                self.set_aside(task.chunk, reason, reply.detail, reply.rest)
            passage = Passage.of(task.chunk) if reply.pairs else None
            for pair in reply.pairs:
                self.written += 1
                assert passage
                candidate, refusal = self.gates.judge(Candidate(pair, passage, task.language))
                if refusal:
                    self.refuse(candidate, refusal)
                    continue
                self.shortened += len(candidate.pair.answer) < len(pair.answer) - 1
                yield candidate

    def refuse(self, candidate: Candidate, refusal: Refusal) -> None:
        self.set_aside(candidate.passage.chunk, refusal.reason, refusal.detail, candidate.pair, lost=refusal.lost)

    def set_aside(self, chunk: Chunk, reason: str, detail: str, row: object, *, lost: bool = False) -> None:
        from dataclasses import asdict, is_dataclass

        from tuneloop.dataset.teacher import NO_ANSWER, NO_ANSWER_WHY

        self.reasons[reason] += 1
        why = NO_ANSWER_WHY.format(reason=detail) if reason == NO_ANSWER else f"{reason}: {detail}"
        text = asdict(row) if is_dataclass(row) and not isinstance(row, type) else row
        self.ctx.reject(chunk.id, why if detail else reason, text, lost=lost or reason == NO_ANSWER)


def spread(chunks: Sequence[Chunk], seed: int) -> Iterator[Chunk]:
    """All chunks: one of each document in turn, documents and their chunks in an order drawn with the seed."""
    import random

    generator = random.Random(seed)
    documents: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in chunks:
        documents[chunk.document].append(chunk)
    queues = [documents[name] for name in sorted(documents)]
    generator.shuffle(queues)
    for queue in queues:
        generator.shuffle(queue)
    while queues:
        for queue in queues:
            yield queue.pop()
        queues = [queue for queue in queues if queue]


def as_example(candidate: Candidate) -> Example:
    chunk, pair, found = candidate.passage.chunk, candidate.pair, candidate.grounding
    assert found
    source = Source(
        chunk=chunk.id, document=chunk.document, name=chunk.name, heading=chunk.heading,
        page=chunk.page_at(chunk.start + found.start), start=chunk.start + found.start, end=chunk.start + found.end,
        quote=chunk.text[found.start : found.end],
    )  # fmt: skip
    messages = [Message(role="user", content=pair.question), Message(role="assistant", content=pair.answer)]
    return Example(
        id=content_id(chunk.id, pair.question, pair.answer),
        messages=messages,
        sources=[source],
        origin=Origin.SYNTHESIZED,
    )
