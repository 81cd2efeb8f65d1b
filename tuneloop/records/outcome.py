"""What became of rows: learned, set aside, scored."""

from typing import Literal

from tuneloop.records.record import Record


class Trained(Record):
    """One example that a model has learned from, or that was held out. What no step reached is in no row."""

    example: str  # Example.id
    dataset: str  # address of its dataset
    part: Literal["train", "validation"]
    tokens: int
    learned_tokens: int  # in one reading
    times: int = 1  # steps that it was in; 0: held out


class Rejected(Record):
    """A row that was not taken in, why, and the row itself."""

    where: str  # file:line, chunk id or row number
    reason: str
    row: str = ""  # the row as JSON or text, as it came
    lost: bool = False  # it should have been read or kept; otherwise setting it aside was the stage's work


class Score(Record):
    """One metric of one item under one model."""

    item: str
    model: str
    metric: str
    value: float
