"""Answers with citations through the gateway: whole, streamed, refused, and in the browser."""

import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from gateway_house import House, make_house
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.access import create_key
from tuneloop.answer.support import Checker
from tuneloop.gateway.passage import GAP, stitched
from tuneloop.text.tokens import estimate_tokens

__all__ = ["make_house"]  # a fixture


PAGE = """The gateway listens on port 8000 unless --port names another one. It listens on 127.0.0.1, so that only \
programs on the same machine reach it. Every request needs an API key. A key is made with tuneloop key create."""
BREAD = "Bread is made of flour, water, salt and yeast. It is baked in an oven at 220 degrees for forty minutes."


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small index of two documents, searched by words."""
    from tuneloop.knowledge.index import Index
    from tuneloop.records import Chunk, write_rows
    from tuneloop.testing import stage_context

    folder = tmp_path_factory.mktemp("index")
    ctx, half = stage_context(folder), PAGE.index("Every")
    spans = [("serve.md", PAGE, 0, half), ("serve.md", PAGE, half - 60, len(PAGE)), ("bread.md", BREAD, 0, len(BREAD))]
    chunks = [
        Chunk(id=f"c{n}", document=name, name=name, start=a, end=b, text=text[a:b], heading=["Help", name], page=n + 1)
        for n, (name, text, a, b) in enumerate(spans)
    ]
    made = folder / "chunks"
    made.mkdir()
    write_rows(made / "chunks.parquet", Chunk, chunks)
    Index(chunks=ctx.add("chunks", made), embedding="none").run(ctx)  # type: ignore[call-arg]
    return ctx.out


@pytest.fixture
def cited(make_house: Callable[..., House], index: Path) -> House:
    return make_house(knowledge=index, embedding="")


ASKED: Any = [{"role": "user", "content": "On which port does the gateway listen?"}]
SAID = [
    "The gateway listens on port 8000 unless --port names",
    " another one. ",
    "It listens on port 9999 ",
    "by default.",
]


def test_an_answer_cites_what_stands_behind_it(cited: House) -> None:
    cited.engine.parts = SAID
    answer = cited.client().chat.completions.create(model="good", messages=ASKED)
    message: Any = answer.choices[0].message
    first, second = message.annotations
    assert message.content.startswith(
        "The gateway listens on port 8000 unless --port names another one. [1] It listens"
    )
    assert (
        message.content[first.text_start : first.text_end]
        == "The gateway listens on port 8000 unless --port names another one."
    )
    assert (first.type, first.index, first.supported, first.name, first.page) == ("citation", 1, True, "serve.md", 1)
    assert PAGE[first.start : first.end] == first.quote == PAGE[: PAGE.index(" It listens")]
    assert (second.supported, second.index, second.document) == (False, 0, "")
    assert message.content[second.text_start : second.text_end] == "It listens on port 9999 by default."
    told: Any = answer.model_extra and answer.model_extra["tuneloop"]
    assert told["request_id"] == answer.id and told["answerable"] and told["passages"][0]["name"] == "serve.md"
    assert told["supported_share"] == 0.5 and answer.usage and answer.usage.completion_tokens == 4
    asked = cited.engine.asked[0]["messages"]
    assert asked[0] == {"role": "system", "content": "Be brief."} and PAGE[:40] in asked[1]["content"]
    place = {"model": "good", "document": first.document, "start": first.start, "end": first.end}
    shown = httpx.get(f"{cited.url}/passage", params=place).json()
    assert shown["quote"] == first.quote and shown["before"] + shown["quote"] + shown["after"] == PAGE


def test_an_answer_ended_for_repeating_itself_has_the_tokens_that_the_engine_wrote(
    make_house: Callable[..., House], index: Path
) -> None:
    house = make_house(knowledge=index, embedding="", route={"engine": True})
    house.engine.parts = ["The gateway ", "listens on ", "port ", "8000. "] * 40
    answer = house.client().chat.completions.create(model="good", messages=ASKED)
    said = str(answer.choices[0].message.content)
    assert said.count("The gateway listens on port 8000.") == 3 and answer.usage
    # the third sentence is known to be whole with the first piece of the fourth
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) in ((7, 12), (7, 13))


def test_a_streamed_answer_brings_the_same(cited: House) -> None:
    cited.engine.parts = SAID
    whole: Any = cited.client().chat.completions.create(model="good", messages=ASKED)
    options: Any = {"include_usage": True}
    chunks: list[Any] = list(
        cited.client().chat.completions.create(model="good", messages=ASKED, stream=True, stream_options=options)
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(d.content or "" for d in deltas) == whole.choices[0].message.content
    notes = [note for d in deltas for note in getattr(d, "annotations", None) or []]
    assert [n["quote"] for n in notes] == [n.quote for n in whole.choices[0].message.annotations]
    order = [
        "annotations" if getattr(d, "annotations", None) else "text"
        for d in deltas
        if d.content or getattr(d, "annotations", None)
    ]
    assert order.index("annotations") < len(order) - 1 - order[::-1].index(
        "text"
    )  # the first check does not wait for the end
    last = [chunk for chunk in chunks if chunk.choices][-1]
    assert last.choices[0].finish_reason == "stop" and last.tuneloop["answerable"] is True
    assert chunks[-1].usage.completion_tokens == 4 and len({chunk.id for chunk in chunks}) == 1
    rows = cited.logged(2)
    assert rows[1].id == chunks[0].id and rows[1].answer == whole.choices[0].message.content
    assert rows[1].passages[0]["name"] == "serve.md" and [c["supported"] for c in rows[1].citations] == [True, False]
    assert rows[1].answerable is True and rows[1].knowledge == "index:" + "1" * 64 and rows[1].time_to_first_token > 0


def test_others_are_answered_while_a_sentence_is_checked(cited: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check hangs; the gateway answers, and so does retrieval of another caller, which needs asyncio's threads."""
    begun, go, check = threading.Event(), threading.Event(), Checker.check

    def slow(self: Checker, sentence: str, *more: Any, **options: Any) -> Any:
        begun.set()
        assert "check" in threading.current_thread().name and go.wait(20)
        return check(self, sentence, *more, **options)

    monkeypatch.setattr(Checker, "check", slow)
    cited.engine.parts = SAID
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cited.client().chat.completions.create, model="good", messages=ASKED)
        assert begun.wait(20)
        assert httpx.get(f"{cited.url}/health").status_code == 200
        question: Any = [{"role": "user", "content": "Who won the football championship in 1998?"}]
        other: Any = cited.client().chat.completions.create(model="good", messages=question)
        assert other.tuneloop["answerable"] is False and not waiting.done()
        go.set()
        message: Any = waiting.result(20).choices[0].message
    assert [note.supported for note in message.annotations] == [True, False]


def test_what_the_documents_do_not_answer_is_said_so(cited: House) -> None:
    question: Any = [{"role": "user", "content": "Who won the football championship in 1998?"}]
    answer: Any = cited.client().chat.completions.create(model="good", messages=question)
    assert "do not answer" in answer.choices[0].message.content and answer.choices[0].message.annotations == []
    assert answer.tuneloop["answerable"] is False and not cited.engine.asked
    assert cited.logged()[0].answerable is False


def test_nothing_waits_below_the_limit_that_the_guide_names(cited: House) -> None:
    client = cited.gateway.cited["good"].client
    assert client.concurrency >= cited.config.max_in_flight == 512, "where more come in, they would wait without a word"


def test_a_cited_route_fails_with_a_status_too(cited: House) -> None:
    cited.gateway.cited["good"].client.model = "sick"
    cited.gateway.cited["good"].client.backoff = 0.01
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as raised:
            cited.client().chat.completions.create(model="good", messages=ASKED, stream=stream)
        assert raised.value.status_code == 502 and str(cited.below.port) not in str(raised.value)
    cited.gateway.cited["good"].client.model = "down"
    answer = httpx.post(f"{cited.url}/v1/chat/completions", json={"model": "good", "messages": ASKED})
    assert answer.status_code == 503 and answer.headers["retry-after"] and "10.0.0.7" not in answer.text
    assert "10.0.0.7" in cited.logged(3)[-1].error
    cited.gateway.cited["good"].client.model = "picky"
    with pytest.raises(openai.BadRequestError, match="too long"):
        cited.client().chat.completions.create(model="good", messages=ASKED)
    image: Any = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]
    for bad in ({"messages": image}, {"n": 2}, {"max_tokens": 0}, {"messages": [{"role": "user", "content": " "}]}):
        with pytest.raises(openai.BadRequestError):
            cited.client().chat.completions.create(**({"model": "good", "messages": ASKED} | bad))  # type: ignore[arg-type]


def test_a_prompt_leaves_room_for_the_answer_however_long_the_conversation(
    make_house: Callable[..., House], index: Path
) -> None:
    long = [{"role": role, "content": f"{n} " + "word " * 60} for n in range(20) for role in ("user", "assistant")]
    for context, most in ((0, 512), (900, 300)):
        house = make_house(knowledge=index, embedding="", route={"context_length": context})
        httpx.post(f"{house.url}/v1/chat/completions", json={"model": "good", "messages": [*long, *ASKED]})
        (asked,) = house.engine.asked
        used = sum(estimate_tokens(message["content"]) + 8 for message in asked["messages"])
        assert asked["max_tokens"] == most and (used + most <= context or not context)
        assert asked["messages"][0]["content"] == "Be brief." and PAGE[:40] in asked["messages"][-1]["content"]
        assert len(asked["messages"]) == 42 if not context else "19 word" in asked["messages"][-2]["content"]


def test_a_route_says_how_many_passages_it_shows_and_whether_it_marks(
    make_house: Callable[..., House], index: Path
) -> None:
    route = {"passages": 1, "mark_unsupported": True}
    house = make_house(knowledge=index, embedding="", route=route)
    house.engine.parts = SAID
    told: Any = house.client().models.retrieve("good").model_extra
    assert told["tuneloop"] == {"address": "model:" + "0" * 64, "knowledge": True, "embedding": False, **route}
    answer: Any = house.client().chat.completions.create(model="good", messages=ASKED)
    assert len(answer.tuneloop["passages"]) == 1 and "by default. [not found]" in answer.choices[0].message.content


def test_options_that_a_cited_answer_does_not_know_harm_nothing(cited: House) -> None:
    body = {
        "model": "good",
        "messages": ASKED,
        "self": 1,
        "max_tokens": 9,
        "temperature": 0.3,
        "seed": 4,
        "model_": "x",
    }
    half = [{"role": "user", "content": "On which port does the gateway listen? \ud800"}]
    for more in ({}, {"messages": half}, {"stream": True, "stream_options": {"include_usage": True}, "stream_": 1}):
        assert httpx.post(f"{cited.url}/v1/chat/completions", content=json.dumps(body | more)).status_code == 200
        asked = cited.engine.asked[-1]
        assert (asked["max_tokens"], asked["temperature"], asked["seed"]) == (9, 0.3, 4)
        assert set(asked) == {"model", "messages", "stream", "stream_options", "max_tokens", "temperature", "seed"}


def test_a_passage_that_is_not_there(cited: House) -> None:
    for place, status in (
        ({"model": "good", "document": "none", "start": 0, "end": 5}, 404),
        ({"model": "good", "document": "serve.md", "start": 9000, "end": 9005}, 404),
        ({"model": "good", "document": "serve.md", "start": "x", "end": 5}, 400),
        ({"model": "none", "document": "serve.md", "start": 0, "end": 5}, 404),
    ):
        assert httpx.get(f"{cited.url}/passage", params=place).status_code == status


@given(
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 30)), min_size=1, max_size=8),
    st.integers(0, 99),
    st.integers(1, 40),
)
def test_passages_are_put_together_from_chunks(spans: list[tuple[int, int]], start: int, length: int) -> None:
    text = "".join(chr(0x4E00 + n) for n in range(110))
    chunks = sorted(
        ({"start": a, "end": a + n, "text": text[a : a + n]} for a, n in spans), key=lambda c: (c["start"], c["end"])
    )
    covered = {at for a, n in spans for at in range(a, a + n)}
    found = "".join(stitched(chunks, start, start + length)).replace(GAP, "")
    assert found == "".join(text[at] for at in range(start, start + length) if at in covered)


def test_in_the_browser_a_citation_opens_its_passage(cited: House) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("chromium is not installed")
    cited.engine.parts = ["Is <img src=x onerror=alert(1)> **Bold**? ", *SAID]
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        trouble: list[str] = []
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(cited.url)
        page.fill("#question", "On which port does the gateway listen?")
        page.press("#question", "Enter")
        page.wait_for_selector(".tools")
        assert page.inner_text(".prose .unsupported") == "It listens on port 9999 by default."
        assert page.inner_text(".prose strong") == "Bold" and not page.query_selector(".prose img")
        page.click(".prose button.cite")
        page.locator("#passage-text", has_text="Every request needs an API key").wait_for()
        assert page.inner_text("#passage-name") == "serve.md"
        assert page.inner_text("#passage-verdict").startswith("Same words")
        assert page.inner_text(".cite.doubtful") == "not found" and "supported" not in page.inner_text("main")
        assert page.inner_text("#passage-text mark") == PAGE[: PAGE.index(" It listens")]
        assert page.evaluate("document.activeElement.id") == "passage-text"
        page.click(".tools button >> nth=1")
        assert page.get_by_label("What was wrong?").is_visible()
        page.click(".complaint button >> nth=1")
        page.click(".tools button >> nth=0")
        page.wait_for_selector(".said")
        pressed = [button.get_attribute("aria-pressed") for button in page.query_selector_all(".tools button")]
        assert pressed == ["true", "false", None]
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        for copies, says in (("false", "does not allow"), ("true", "Copied")):
            page.evaluate(f"() => {{ document.execCommand = () => {copies}; }}")
            page.click(".tools button >> nth=2")
            page.locator(".said", has_text=says).wait_for()
        page.fill("#question", "Who won the football championship in 1998?")
        page.press("#question", "Enter")
        page.wait_for_selector(".unanswered")
        browser.close()
    assert not trouble
    first, second = cited.logged(2)
    assert [f.rating for f in cited.store.traffic.feedback(first.id)] == [1]
    assert [m["role"] for m in second.messages] == ["user", "assistant", "user"]
    assert "[1]" not in second.messages[1]["content"]  # the model sees its answer as it wrote it


def test_in_the_browser_no_key_is_mistaken_for_a_dead_server_and_a_word_can_be_chosen(
    make_house: Callable[..., House],
) -> None:
    """Found outside: a key with Chinese letters "could not reach the server"; and open-webui/open-webui #16608."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("chromium is not installed")
    house = make_house(auth=True)
    good = create_key(house.store, "app").key
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(house.url)
        for wrong in ("tl-密钥", "tl-bad"):
            page.fill("#key", wrong)
            page.press("#key", "Enter")
            page.locator("#key-error", has_text="This key is not valid.").wait_for()
            page.evaluate("document.getElementById('key-error').textContent = ''")
        page.fill("#key", good)
        page.press("#key", "Enter")
        page.wait_for_selector("#key-dialog", state="hidden")
        page.fill("#question", "几点")
        chosen = "new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true, cancelable: true})"
        page.evaluate(f"document.getElementById('question').dispatchEvent({chosen})")  # as Safari ends a composition
        assert page.input_value("#question") == "几点" and not page.query_selector(".assistant")
        page.press("#question", "Enter")
        page.wait_for_selector(".assistant")
        browser.close()
