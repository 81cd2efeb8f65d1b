"""The console in Chinese: every text of every page that links lead to is Chinese, or somebody's data."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from console_house import Console, console
from lxml import html
from test_web_browser import filled
from toystage import Count

from tuneloop.dataset.exporters import EXPORTERS
from tuneloop.errors import TuneloopError
from tuneloop.kinds import KINDS
from tuneloop.records.shapes import SHAPES
from tuneloop.registry import BUILT_IN, find_stage
from tuneloop.web.form import fields_of

CHINESE = re.compile(r"[\u4e00-\u9fff]")
# What is shown as it is: what somebody wrote or named, and what is typed.
DATA = "//script | //style | //code | //pre | //iframe | //time | //mark | //*[@class='text'] | //*[@class='example']"
CELLS = "//table[@class='rows']//td[not(@colspan)] | //section[@id='learned']//td"
NAMED = re.compile(
    r"""https?://[^\s：，。；“]+|'[^']*'|“[^”]*”|\b(tuneloop|pip)( [a-z]+)+|\b[a-z]+:[\w@.-]+"""
    r"|\b[\w-]*[_./@\d=-][\w./@=-]*|\b[A-Z]{2,}\b|\b[A-Z][A-Za-z]*-[A-Z\d]\b|\b[A-Z][a-z]+[A-Z]\w+: \w+"
)
WORDS = """Tuneloop English Alpaca ShareGPT OpenAI messages LoRA AdamW Holm Lin Och Rajpurkar add alpha rank dropout
    goodput logits base kB MB MiB GiB folder huggingface modelscope pypi none gguf sacre md admin Markdown Word Excel
    Unicode sacreBLEU Parquet Hugging Face ModelScope PyPI UTF BOM"""
HOUSE = "llama faq hand alpha beta tuned tiny base adapter good ask reply bug user pages in two folders"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with console(tmp_path_factory.mktemp("console")) as made:
        yield made


def texts(page: Any) -> Iterator[str]:
    """Every text of a page that a reader sees, and that is not somebody's data."""
    for hidden in page.xpath(DATA):
        hidden.text = None
        for below in list(hidden):
            hidden.remove(below)
    for cell in page.xpath(CELLS):
        cell.clear()
    yield from (" ".join(node.split()) for node in page.xpath("//body//text() | //@placeholder | //@title | //@alt"))


def crawled(house: Console) -> dict[str, Any]:
    """Every page that links lead to from the overview, in Chinese, and those that tell of what is not there."""
    waiting = [
        "/",
        "/login",
        "/nowhere",
        "/runs/none",
        "/artifacts/model:none",
        "/stages/none",
        "/artifacts?kind=modle",
    ]
    pages: dict[str, Any] = {}
    with httpx.Client(base_url=house.url, headers={"authorization": f"Bearer {house.key('admin')}"}) as client:
        client.cookies.set("tuneloop_language", "zh")
        while waiting:
            path = waiting.pop(0)
            if path.partition("?")[0] in pages or path in pages or re.search(r"^/api|/files/|/rows/\w+/[1-9]", path):
                continue
            page = pages[path] = html.fromstring(client.get(path, follow_redirects=True).text)
            waiting += [link for link in page.xpath("//main//a/@href | //nav//a/@href") if link.startswith("/")]
    return pages


def test_every_page_is_chinese_in_every_text(house: Console) -> None:
    house.tuned()
    for stage in ("evaluate", "loadtest", "split"):
        house.workspace.run(find_stage(stage).model_validate(filled(house, stage)))
    for trouble in ("user", "bug"):
        with pytest.raises(TuneloopError):
            house.workspace.run(find_stage("count").model_validate({"to": 4, "trouble": trouble}))
    pages = crawled(house)
    kinds = {
        "/artifacts/" + kind for kind in ("documents", "chunks", "index", "dataset", "model", "evaluation", "loadtest")
    }
    assert kinds <= {path.partition(":")[0] for path in pages} and any("/rows/trained/0" in path for path in pages)
    choices = {str(choice) for stage in BUILT_IN for f in fields_of(find_stage(stage)) for choice in f.choices}
    names = {
        *WORDS.split(),
        *HOUSE.split(),
        *choices,
        *EXPORTERS.names(),
        *SHAPES.names(),
        *BUILT_IN,
        *KINDS.names(),
        *Count.model_fields,
    }
    theirs = (
        "oops",
        "the numbers ran out",
        " ".join(house.training["system_prompt"].split()),
        str(Count.__doc__),
        *(str(f.description) for f in Count.model_fields.values()),
    )
    strange = {
        text: path for path, page in pages.items() for text in texts(page)
        for word in re.findall(r"[A-Za-z]{2,}", NAMED.sub(" ", text))
        if word not in names and "/stages/count" not in path and not any(one in text for one in (*theirs, "count"))
    }  # fmt: skip
    assert not strange, "\n".join(f"{path}: {text}" for text, path in strange.items())
    for path, page in pages.items():
        title = page.xpath("string(//h1)")
        if path.startswith(("/stages/", "/runs/")) and not title.startswith("count"):
            assert CHINESE.search(title), path
