"""What REST answers with: the models behind the OpenAPI description."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

State = Literal["queued", "running", "done", "failed", "cancelled"]


class Problem(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="What is wrong and what to do, in one line.")
    hint: str = Field("", description="The part of it that says what to do.")


class LeftOut(BaseModel):
    """Something that did not come into the output."""

    where: str
    reason: str


class Account(BaseModel):
    """What did not come into the output: how much, and the first of it; in a list of runs only how much."""

    count: int = 0
    first: list[LeftOut] = []


class Place(BaseModel):
    """A place in the history of a name, and the address it stands for."""

    name: str
    address: str


class Moved(BaseModel):
    """A name that led to something else before; or still does, where that was asked for later (``taken`` false)."""

    name: str
    before: Place
    after: Place
    taken: bool


class Run(BaseModel):
    """A run: what ``--json`` prints."""

    run: str
    stage: str
    state: State
    output: str | None = Field(None, description="Address of the artifact that was made.")
    metrics: dict[str, float] = Field({}, description="The last value of each.")
    seconds: float = 0.0
    error: str | None = None
    reused: bool = Field(False, description="The work was done before.")
    summary: dict[str, Any] = Field({}, description="What the stage says of its output; each stage has its own keys.")
    tag: str = Field("", description="Name of the output.")
    moved: Moved | None = Field(None, description="What the name led to before, if anything else.")
    lost: Account = Field(Account(), description="What should have been read or kept and was not.")
    set_aside: Account = Field(Account(), description="What it was the stage's work to leave out.")
    status: int | None = Field(None, description="Exit status of a command that ends so: 0, 1, 2, 3 or 130.")


class Progress(BaseModel):
    """How far a run is."""

    phase: str = ""
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    start: float | None = Field(None, description="What was done when this attempt began to count.")
    since: float | None = Field(None, description="When that was, in seconds since 1970.")


class RunDetail(Run):
    """A run with its progress."""

    progress: Progress | None = None
    params: dict[str, Any] = Field(description="The fields of the stage as they were given.")
    attempts: int


class Cancelled(BaseModel):
    """What became of a run that was asked to stop."""

    run: str
    state: State


class ArtifactReply(BaseModel):
    """An artifact."""

    address: str
    tags: list[str]
    versions: list[str] = Field(description="Its places in the histories of names, such as help@2.")
    created: float = Field(description="Seconds since 1970.")
    bytes: int
    summary: dict[str, Any] = Field(description="What the stage says of it; each stage has its own keys.")


class Edge(BaseModel):
    """One step of a lineage."""

    near: str = Field(alias="from", description="The artifact that is nearer to the one asked for.")
    stage: str
    far: str = Field(alias="to", description="What it was made from; with ``down``, what was made from it.")


class Lineage(BaseModel):
    """What an artifact was made from, or what was made from it, nearest first."""

    artifact: str
    edges: list[Edge]


class StageReply(BaseModel):
    """A stage with the JSON schema of its parameters."""

    name: str
    makes: str
    description: str
    parameters: dict[str, Any] = Field(alias="schema")


class AuditReply(BaseModel):
    """What somebody did."""

    id: int
    time: float = Field(description="Seconds since 1970.")
    actor: str = Field(description="Id of the key, or local.")
    action: str
    object: str


class TrafficReply(BaseModel):
    """A request that the gateway answered."""

    id: str
    time: float = Field(description="Seconds since 1970.")
    key: str | None
    path: str
    route: str
    model: str | None
    knowledge: str | None
    status: int
    streamed: bool
    seconds: float
    time_to_first_token: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    messages: list[Any] | None
    answer: str | None
    passages: list[dict[str, Any]] | None
    citations: list[dict[str, Any]] | None
    answerable: bool | None
    error: str | None


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "The request cannot be done as it is.",
        401: "There is no key, or it is not valid.",
        403: "The role of the key is not enough, or another site sent the request.",
        404: "Something that is named is not there.",
        409: "Something else holds what is needed.",
        422: "The parameters are not valid.",
        500: "A bug of Tuneloop.",
        501: "An optional package is not installed.",
    }.items()
}
