"""What is learned from and examined with: one row type, of which each shape uses the fields that it needs."""

from pydantic import Field

from tuneloop.records.message import Message
from tuneloop.records.record import JsonList, JsonObject, Record


class Source(Record):
    """Where an example or a citation comes from: a span of a document, and what stands there."""

    chunk: str = ""
    document: str = ""
    name: str = ""
    heading: list[str] = Field(default_factory=list)
    page: int | None = None
    start: int = 0
    end: int = 0
    quote: str = ""


class Origin:
    """Where an example is from: the stage that made it. A package's stage writes its own name."""

    SYNTHESIZED = "synthesize"
    GROUNDED = "synthesize/grounded"  # asked a second time, with passages: its question holds its answer
    IMPORTED = "import"


class Example(Record):
    """Something to learn from, or one item of an exam. ``shape`` says which: see ``shapes.py``."""

    id: str
    shape: str = "conversation"
    messages: list[Message] = Field(default_factory=list)  # of an exam, the last one is the reference answer
    tools: JsonList = Field(default_factory=list)  # what the assistant may call, as JSON schemas
    chosen: list[Message] = Field(default_factory=list)  # the better end of the conversation
    rejected: list[Message] = Field(default_factory=list)  # the worse one
    facts: JsonObject = Field(default_factory=dict)  # what a reward is computed from
    text: str = ""
    labels: list[str] = Field(default_factory=list)  # of the text
    query: str = ""
    positives: list[str] = Field(default_factory=list)  # passages that answer the query
    negatives: list[str] = Field(default_factory=list)  # passages that do not
    choices: list[str] = Field(default_factory=list)
    right: list[int] = Field(default_factory=list)  # the right choices, counted from 0
    sources: list[Source] = Field(default_factory=list)
    origin: str = ""  # the stage that made it: see Origin
    answerable: bool = True  # False: the documents do not answer it, and a good answer says so
    tags: list[str] = Field(default_factory=list)
    metadata: JsonObject = Field(default_factory=dict)
    extra: JsonObject = Field(default_factory=dict)  # what came with it and was not understood, by the name that it had

    @property
    def conversation(self) -> list[Message]:
        """All turns, of a pair with the better answer."""
        return [*self.messages, *self.chosen]

    @property
    def question(self) -> str:
        """The last user message."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def answer(self) -> str:
        """The last assistant message."""
        return next((m.content for m in reversed(self.conversation) if m.role == "assistant"), "")

    @property
    def holds(self) -> list[str]:
        """What the conversation holds beside text, such as ``tool calls`` or ``image``."""
        return list(dict.fromkeys(held for message in self.conversation for held in message.holds))
