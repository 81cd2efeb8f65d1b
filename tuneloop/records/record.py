"""What every row is: a class with typed fields, of which some hold free JSON, and an id made of its content."""

import hashlib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """One row. Unknown keys are refused, so that a misspelt column is an error and not a loss."""

    model_config = ConfigDict(extra="forbid")


class FreeJson:
    """Marks a field that holds whatever JSON there was: a text in Parquet, the value itself everywhere else."""


Json = Annotated[Any, FreeJson()]
JsonObject = Annotated[dict[str, Any], FreeJson()]
JsonList = Annotated[list[Any], FreeJson()]


def content_id(*parts: str, length: int = 16) -> str:
    """A stable id for a row: the first ``length`` hex digits of the SHA-256 of its parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(str(len(data)).encode() + b":")
        digest.update(data)
    return digest.hexdigest()[:length]
