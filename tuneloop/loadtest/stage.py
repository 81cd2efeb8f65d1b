"""The stage that measures a server, or a model with a gateway started around it."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from tuneloop.language import stored
from tuneloop.resources import Resources
from tuneloop.stage import Context, DatasetRef, IndexRef, Kind, Stage, WeightsRef

if TYPE_CHECKING:
    from tuneloop.loadtest.generator import Plan, Request
    from tuneloop.loadtest.prompts import Conversation
    from tuneloop.settings import Settings

LARGEST = 50_000  # requests in one test


class LoadTest(Stage):
    """Measure how fast a server answers under a given load."""

    name: ClassVar[str] = "loadtest"
    makes: ClassVar[Kind] = "loadtest"
    outside: ClassVar[bool] = True
    version: ClassVar[int] = 2
    resumes: ClassVar[bool] = False
    positional: ClassVar[tuple[str, ...]] = ("url",)
    resources: ClassVar[Resources] = Resources(alone=True)

    url: str = Field("", description="Base URL of an OpenAI-compatible server; empty where --model is given.")
    model: WeightsRef | None = Field(None, description="Model to serve and measure instead of a URL.")
    knowledge: IndexRef | None = Field(None, description="Index that the served model answers from.")
    model_name: str = Field("", description="Model to ask for; the first that the server lists where empty.")
    dataset: DatasetRef | None = Field(
        None, description="Dataset whose questions are asked; built-in ones where empty."
    )
    rate: float = Field(2.0, gt=0, le=2000, description="Requests that start each second, on average.")
    seconds: float = Field(15.0, gt=0, le=3600, description="How long requests are started.")
    drain: float = Field(60.0, ge=0, le=600, description="Seconds that the last requests are then waited for.")
    arrivals: Literal["poisson", "constant"] = Field("poisson", description="Independent users, or equal gaps.")
    max_tokens: int = Field(64, ge=1, le=32768, description="Longest answer, in tokens.")
    ttft_objective: float | None = Field(
        None, gt=0, description="Seconds within which the first token should come; gives the goodput."
    )
    seed: int = Field(0, description="Seed of the arrival times and of the order of the questions.")

    @model_validator(mode="after")
    def one_server(self) -> Self:
        if bool(self.url) == bool(self.model):
            raise ValueError(stored("give the URL of a server, or --model, and not both"))
        if self.knowledge and not self.model:
            raise ValueError(stored("--knowledge belongs to --model; a URL has its own"))
        if self.rate * self.seconds > LARGEST:
            text = stored("rate times seconds is above {} requests; choose a lower rate or a shorter test")
            raise ValueError(text.format(LARGEST))
        return self

    def fingerprint(self) -> str:
        """A server elsewhere may have changed since it was last measured; a model's address says that it has not."""
        return secrets.token_hex(16) if self.url else ""

    def check_outside(self, settings: Settings) -> None:
        from tuneloop.loadtest.wire import parse_target

        if self.url:
            parse_target(self.url)

    def run(self, ctx: Context) -> dict[str, Any]:
        conversations = questions(ctx, self.dataset)
        serving = ctx.gateway(self.model, self.knowledge) if self.model else nullcontext(self.url)
        with serving as url:
            plan, asked = self.plan(url, conversations, ctx)
            rows, seconds, most = send(plan, ctx)
        return self.report(ctx, rows, seconds, most, asked)

    def plan(self, url: str, conversations: list[Conversation], ctx: Context) -> tuple[Plan, str]:
        """The test, and the name of the model that it asks for; the server has answered once."""
        from tuneloop.loadtest import preflight, prompts
        from tuneloop.loadtest.arrivals import arrivals
        from tuneloop.loadtest.generator import Plan
        from tuneloop.loadtest.wire import parse_target

        ctx.phase("preparing")
        target = parse_target(url, os.environ.get("TUNELOOP_API_KEY") or os.environ.get("TUNELOOP_ENDPOINT_KEY", ""))
        asked = self.model_name or preflight.first_model(target, url)
        options = {"model": asked, "max_tokens": self.max_tokens, "seed": self.seed}
        bodies = [prompts.body(conversation, **options) for conversation in conversations]
        preflight.warm_up(target, bodies, url)
        starts = arrivals(self.arrivals, self.rate, self.seconds, self.seed)
        order = prompts.choose(conversations, len(starts), self.seed)
        return Plan(target, starts, order, bodies, self.drain), asked

    def report(self, ctx: Context, rows: list[Request], seconds: float, most: int, asked: str) -> dict[str, Any]:
        from tuneloop.language import _
        from tuneloop.loadtest.chart import chart
        from tuneloop.loadtest.generator import Request
        from tuneloop.loadtest.report import summarize
        from tuneloop.records import write_rows

        ctx.phase("reporting")
        summary: dict[str, Any] = {"target": self.url or self.model, "model_name": asked}
        summary["load"] = {
            "arrivals": self.arrivals, "rate": self.rate, "seconds": self.seconds, "max_tokens": self.max_tokens,
            "seed": self.seed,
        }  # fmt: skip
        summary |= summarize(rows, seconds, most_in_flight=most, objective=self.ttft_objective)
        write_rows(ctx.out / "requests.parquet", Request, rows)
        text = json.dumps(summary, ensure_ascii=False, indent=1)
        (ctx.out / "summary.json").write_text(text + "\n", encoding="utf-8")
        title = _("Load test: {rate:g} requests a second, {sent} sent").format(rate=self.rate, sent=len(rows))
        (ctx.out / "chart.svg").write_text(chart(rows, title), encoding="utf-8")
        for name in ("time_to_first_token", "latency"):
            for share in ("p50", "p95", "p99"):
                if share in summary[name]:
                    ctx.metric(f"{name}_{share}", summary[name][share])
        for name in ("requests_per_second", "output_tokens_per_second", "error_rate"):
            ctx.metric(name, summary[name])
        return summary


def questions(ctx: Context, dataset: str | None) -> list[Conversation]:
    """The conversations to ask, each up to its last question."""
    from tuneloop.errors import TuneloopError
    from tuneloop.language import _
    from tuneloop.loadtest import prompts

    if dataset is None:
        return prompts.built_in()
    from tuneloop.kinds.dataset import EXAMPLES
    from tuneloop.stage import read_table

    found: list[Conversation] = []
    for example in read_table(ctx, dataset, EXAMPLES):
        last = max((n for n, m in enumerate(example.messages) if m.role == "user"), default=-1)
        if example.holds:
            reason = stored("it holds more than text: {}").format(", ".join(example.holds))
            ctx.reject(example.id, reason, lost=False)
        elif last >= 0 and len(found) < LARGEST:
            found.append([{"role": m.role, "content": m.content} for m in example.messages[: last + 1]])
    if not found:
        raise TuneloopError(_("this dataset holds no question"), where=dataset)
    return found


def send(plan: Plan, ctx: Context) -> tuple[list[Request], float, int]:
    """Run the test in its own thread, and show from this one how far it is."""
    from tuneloop.loadtest.generator import Generator
    from tuneloop.loadtest.limits import allow_connections

    allow_connections(len(plan.starts))
    ctx.phase("measuring")
    generator = Generator(plan)
    generator.start()
    second = 0
    try:
        while generator.is_alive():
            generator.join(0.5)
            seen = generator.progress
            ctx.progress(seen.ended, len(plan.starts), "requests")
            second += 1
            if second % 2 == 0:
                ctx.metric("in_flight", seen.in_flight, second // 2)
    finally:  # a cancel arrives here as an exception
        generator.cancel()
        generator.join(5.0)
    if generator.failure:
        raise generator.failure
    return generator.progress.rows, generator.seconds, generator.progress.most_in_flight
