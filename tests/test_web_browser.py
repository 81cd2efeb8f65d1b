"""The console as a person meets it: logged in with a key, every form filled in by clicking, its run, its result."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_house import BELIEVED, Console, chromium, console, save
from gateway_house import Running

from tuneloop.access import create_key, revoke_key
from tuneloop.address import Address
from tuneloop.language import _
from tuneloop.registry import find_stage, targets
from tuneloop.runner import Workspace
from tuneloop.web.app import build_app
from tuneloop.web.form import fields_of
from tuneloop.worker import work

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium("--host-resolver-rules=MAP *.test 127.0.0.1") as found:
        yield found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with console(tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest.fixture(scope="module")
def visitors(browser: Any, house: Console) -> Iterator[dict[str, Any]]:
    """A browser that is logged in as admin, for each language, which it has chosen by clicking."""
    found = {}
    for language, button in (("en", "English"), ("zh", "中文")):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(house.url)
        page.get_by_role("button", name=button).click()
        page.fill("#key", house.key("admin"))
        page.press("#key", "Enter")
        page.wait_for_selector(".stages")
        page.close()
        found[language] = context
    yield found
    for context in found.values():
        context.close()


@pytest.fixture
def page(visitors: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[Any]:
    """A tab, in English unless the test says otherwise; what its console complains about fails the test."""
    spoken = getattr(request.node, "callspec", None)
    tab = visitors[spoken.params.get("language", "en") if spoken else "en"].new_page()
    trouble: list[str] = []
    tab.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    yield tab
    tab.close()
    assert not [text for text in trouble if " 422 " not in text and "404" not in text], trouble


RANK = "[id='f-method.lora.rank']"
FOUND_AGAIN = ("pull", "train", "compress")  # what takes seconds: run once, and found again in the other language


def filled(house: Console, name: str) -> dict[str, Any]:
    """A value for each field of a stage, other than the default; what it refers to is made where it is not there."""
    server, pages = f"{house.engine.url}/v1", house.folder / "pages, in two folders"
    if name == "compress":
        house.tuned()
    return {
        "parse": {"paths": [str(pages), str(pages / "pump.md")], "max_mb": 5, "seconds": 60},
        "chunk": {"documents": "documents:beta", "tokens": 60, "overlap": 5},
        "index": {"chunks": "chunks:hand", "embedding": "none", "query_prefix": "query: ",
                  "passage_prefix": "passage: ", "heading_weight": 1.5},
        "synthesize": {"chunks": "chunks:hand", "teacher": f"{server}#good", "pairs": 1, "limit": 12,
                       "answers": "written", "language": "en", "exclude": "dataset:faq", "grounded_share": 0.5,
                       "passages": 1, "concurrency": 2, "max_tokens": 90, "temperature": 0.7, "timeout": 30.0,
                       "seed": 4},
        "import": {"file": str(house.folder / "faq.jsonl"), "format": "qa", "encoding": "utf-8", "limit": 3,
                   "columns": "question=ask,answer=reply"},
        "split": {"dataset": "dataset:faq", "part": "exam", "share": 0.4, "seed": 3},
        "pull": {"model": str(house.folder / "tiny" / "tiny.gguf"), "source": "folder"},
        "train": house.training,
        "compress": {"model": "model:tuned", "to": "gguf:bf16", "check": False},
        "evaluate": {"model": f"{server}#good", "dataset": "dataset:faq", "against": f"{server}/#good",
                     "knowledge": "index:hand", "limit": 5, "cited": 2, "max_tokens": 20, "concurrency": 2,
                     "resamples": 150, "seed": 5},
        "loadtest": {"url": server, "model_name": "good", "dataset": "dataset:faq", "rate": 8.0, "seconds": 0.6,
                     "drain": 5.0, "arrivals": "constant", "max_tokens": 9, "ttft_objective": 1.5, "seed": 2},
        "count": {"to": 12, "pause": 0.05, "helpers": 0, "after": "documents:hand"},
    }[name]  # fmt: skip


def put(page: Any, field: Any, value: Any) -> None:
    """Fill one field in as a person does: type, choose or tick."""
    place = page.locator(f"[id='f-{field.place}']")
    if field.shape == "part":
        place.select_option(value["name"])
        for one in field.parts[value["name"]]:
            if one.name in value:
                put(page, one, value[one.name])
    elif field.shape in ("references", "choices"):
        for one in value:
            place.locator(f"input[value='{one}']").check()
    elif field.shape == "boolean":
        place.set_checked(value)
    elif field.shape == "choice":
        place.select_option(str(value))
    elif field.shape == "reference":
        if "://" in value:
            page.fill(f"#f-{field.name}-other", value)
        else:
            place.select_option(value)
    else:
        place.fill("\n".join(value) if isinstance(value, list) else str(value))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", list(targets()))
def test_every_stage_is_filled_in_sent_and_followed_to_its_end(
    name: str, language: str, page: Any, house: Console
) -> None:
    values = filled(house, name)
    stage, fields = find_stage(name), fields_of(find_stage(name))
    page.goto(house.url)
    page.locator(f".stages a[href='/stages/{name}']").click()
    for field in fields:
        if field.name in values:
            put(page, field, values[field.name])
    page.fill("#f-output", f"{name}-{language}")
    if language == "zh":
        page.locator("#f-again").set_checked(name not in FOUND_AGAIN)
        labels = page.locator("#form label, #form legend").all_inner_texts()
        choices = {str(choice) for f in fields_of(stage) for choice in f.choices}
        told = [text for text in labels if "gguf" not in text and ":" not in text and text.strip() not in choices]
        assert name == "count" or all(map(CHINESE.search, told)), told
    page.get_by_role("button", name=_("Queue the run", language)).click()
    page.wait_for_url("**/runs/*")
    run = house.workspace.store.runs.get(page.url.rpartition("/")[2])
    assert run.state in ("queued", "done") and run.typed == stage.model_validate(values).model_dump(mode="json")
    assert run.state == "queued" or name in FOUND_AGAIN
    work(house.workspace, once=True)
    page.locator(".state.done", has_text=_("done", language)).wait_for()
    page.locator("#result").click()
    page.wait_for_url("**/artifacts/*")
    made = house.workspace.store.runs.get(run.id)
    assert made.output in page.locator("main").inner_text()
    seen(name, page)
    if language == "zh":
        heads = page.locator("th, h2").all_inner_texts()
        names = r"([A-Z]+[-@ ]?[\dL]?|hit@\d|#|p|md|en|)(\n.*)?"  # of metrics and formats
        strange = [head for head in heads if not CHINESE.search(head) and not re.fullmatch(names, head)]
        assert not strange or name == "count", strange


def seen(name: str, page: Any) -> None:
    """The thing itself, on the page of what the stages made whose results are models and pairs."""
    text = page.locator("main").inner_text()
    if name == "train":
        assert (
            page.locator("svg.chart .legend").count() == 2 and page.frame_locator("iframe.sheet").locator("b.y").count()
        )
        assert page.locator("a[href$='/rows/trained']").count() and "adapter" in text
    elif name in ("pull", "compress"):
        assert "gguf" in text and ("tiny" if name == "pull" else "bf16") in text.lower()
    elif name == "synthesize":
        page.locator("a[href$='/rows/examples']").click()
        assert page.locator("td", has_text="started again?").count() >= 6


def test_a_queued_run_is_cancelled_by_clicking(page: Any, house: Console) -> None:
    page.goto(f"{house.url}/stages/count")
    page.fill("#f-to", "100")
    page.get_by_role("button", name="Queue the run").click()
    page.get_by_role("button", name="Cancel").click()
    page.locator(".state.cancelled").wait_for()
    assert house.workspace.store.runs.get(page.url.rpartition("/")[2]).state == "cancelled"


def test_a_form_says_at_the_field_what_is_wrong_and_loses_nothing(page: Any, house: Console) -> None:
    page.goto(f"{house.url}/stages/train")
    page.fill("#f-epochs", "many")
    page.fill(RANK, "0")
    page.fill("#f-output", "not a name!")
    page.select_option("#f-scheduler", "linear")
    page.uncheck("#f-packing")
    page.get_by_role("button", name="Queue the run").click()
    page.locator("#epochs-wrong").wait_for()
    wrong = ("epochs", "method.lora.rank", "dataset", "model")
    told = {name: page.locator(f"[id='{name}-wrong']").inner_text() for name in wrong}
    assert "integer" in told["epochs"] and "greater than" in told["method.lora.rank"]
    assert "this is needed" in told["dataset"] and "this is needed" in told["model"]
    assert "cannot be a name" in page.locator("[id='output.name-wrong']").inner_text()
    assert page.locator("#f-epochs").get_attribute("aria-invalid") == "true"
    assert page.evaluate("document.activeElement.closest('fieldset').id") == "f-dataset", "the first wrong field"
    assert page.url.endswith("/stages/train") and page.input_value("#f-epochs") == "many"
    page.reload()
    assert page.input_value("#f-epochs") == "many" and page.input_value("#f-scheduler") == "linear"
    assert not page.is_checked("#f-packing") and page.input_value("#f-output") == "not a name!"
    page.get_by_role("button", name="中文").click()
    page.get_by_role("button", name="提交运行").click()
    assert CHINESE.search(page.locator("#epochs-wrong").inner_text()) and page.input_value(RANK) == "0"
    page.get_by_role("button", name="English").click()
    page.locator("[data-forget]").click()
    assert page.input_value("#f-epochs") == ""


def test_the_fields_of_what_is_chosen_are_shown_sent_and_filled_in_again(page: Any, house: Console) -> None:
    page.goto(f"{house.url}/stages/train")
    assert page.locator(RANK).is_visible() and not page.locator(RANK.replace("lora", "rslora")).is_visible()
    page.fill(RANK, "9")
    page.focus("#f-method")
    page.keyboard.press("ArrowDown")
    assert page.input_value("#f-method") == "rslora" and not page.locator(RANK).is_visible()
    page.keyboard.press("Tab")
    page.keyboard.type("5")
    page.locator("#f-dataset input[value='dataset:faq']").check()
    page.select_option("#f-model", "model:base")
    page.reload()
    assert page.input_value(RANK.replace("lora", "rslora")) == "5" and not page.locator(RANK).is_visible()
    page.get_by_role("button", name="Queue the run").click()
    page.wait_for_url("**/runs/*")
    run = house.workspace.store.runs.get(page.url.rpartition("/")[2])
    assert run.typed["method"] == {"name": "rslora", "rank": 5, "alpha": 16, "dropout": 0.0}
    page.get_by_role("button", name="Cancel").click()
    page.locator(".state.cancelled").wait_for()
    page.locator("a[href*='/stages/train?run=']").click()
    assert page.input_value("#f-method") == "rslora" and page.input_value(RANK.replace("lora", "rslora")) == "5"


def test_without_script_a_form_is_sent_and_comes_back_as_it_was(browser: Any, house: Console) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{house.url}/stages/split?x=1")
    tab.fill("#key", house.key("member"))
    tab.press("#key", "Enter")
    tab.fill("#f-share", "2")
    tab.select_option("#f-part", "exam")
    tab.select_option("#f-dataset", "dataset:faq")
    tab.get_by_role("button", name="Queue the run").click()
    assert "less than" in tab.locator("#share-wrong").inner_text()
    assert tab.input_value("#f-part") == "exam" and tab.input_value("#f-dataset") == "dataset:faq"
    tab.fill("#f-share", "0.3")
    tab.get_by_role("button", name="Queue the run").click()
    tab.wait_for_url("**/runs/*")
    tab.get_by_role("button", name="Cancel").click()
    tab.locator(".state.cancelled").wait_for()
    tab.locator("a[href*='/stages/split?run=']").click()
    assert tab.input_value("#f-share") == "0.3" and tab.input_value("#f-part") == "exam"
    tab.goto(f"{house.url}/stages/train")
    tab.select_option("#f-method", "rslora")
    tab.fill(RANK, "9")
    tab.fill(RANK.replace("lora", "rslora"), "0")
    tab.get_by_role("button", name="Queue the run").click()
    assert "greater than" in tab.locator("[id='method.rslora.rank-wrong']").inner_text()
    assert tab.input_value(RANK) == "9" and not tab.locator("[id='method.lora.rank-wrong']").count()
    context.close()


def test_a_key_opens_the_page_that_was_asked_for_and_leaves_with_the_visitor(browser: Any, house: Console) -> None:
    made = create_key(house.workspace.store, "guest", role="member")
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(f"{house.url}/artifacts?kind=dataset")
    assert "/login?next=" in tab.url
    tab.fill("#key", house.key("caller"))
    tab.press("#key", "Enter")
    assert "role member" in tab.locator("#problem").inner_text()
    tab.fill("#key", made.key)
    tab.press("#key", "Enter")
    tab.wait_for_url("**/artifacts?kind=dataset")
    (cookie,) = [c for c in context.cookies() if c["name"] == "tuneloop_key"]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and not cookie["secure"], "this was plain http"
    tab.goto(f"{house.url}/stages/parse")
    assert "role admin" in tab.locator(".note").inner_text()
    tab.goto(f"{house.url}/stages/chunk")
    tab.fill("#f-tokens", "77")
    revoke_key(house.workspace.store, made.id)
    tab.wait_for_timeout(1000 * BELIEVED)
    tab.get_by_role("button", name="Queue the run").click()
    tab.wait_for_url("**/login?next=/stages/chunk")
    assert "no longer valid" in tab.locator("#problem").inner_text()
    tab.fill("#key", house.key("member"))
    tab.press("#key", "Enter")
    tab.wait_for_url("**/stages/chunk")
    assert tab.input_value("#f-tokens") == "77", "what was typed outlives the key"
    tab.get_by_role("button", name="Log out").click()
    tab.wait_for_url("**/login")
    tab.go_back()
    assert "/login" in tab.url, "nothing lies behind the back button"
    for place in ("//evil.test", "/\\evil.test", "https://evil.test/", "/\t/evil.test"):
        tab.goto(f"{house.url}/login?next={place}")
        assert tab.locator("main input[name=next]").get_attribute("value") == "/", place
    context.close()


def test_results_show_the_thing_and_rows_lead_to_where_they_came_from(page: Any, house: Console) -> None:
    model, dataset, store = house.tuned(), house.refs["dataset"], house.workspace.store.artifacts
    page.goto(f"{house.url}/artifacts/{model}")
    assert page.locator("svg.chart .legend").all_text_contents() == ["training loss", "validation loss"]
    sheet = page.frame_locator("iframe.sheet")
    assert sheet.locator("b.y").first.evaluate("node => getComputedStyle(node).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert "tiny" in page.locator("main").inner_text() and page.locator("a[href*='/artifacts/model:']").count()
    page.locator("a[href$='/rows/trained']").click()
    page.locator("td a").first.click()
    page.locator("#origins a").click()
    assert f"/artifacts/{dataset}/rows/examples/" in page.url
    assert re.search(r"The \w+ stops at 1\d bar", page.locator("main").inner_text()), "what was learned"

    page.goto(f"{house.url}/artifacts/{house.refs['index']}/rows/chunks?q=BOILER")
    assert page.locator("#count").inner_text().split()[0] in ("1", "2")
    page.locator("td a").first.click()
    page.locator("#origins a").click()
    assert house.refs["documents"] in page.url and "The boiler stops at 15 bar" in page.locator("mark").inner_text()

    page.goto(f"{house.url}/artifacts/{house.refs['nameless']}")
    page.get_by_role("link", name="Show all of it").click()
    assert page.locator("#count").inner_text() == "60 rows" and page.locator("tr").count() == 51
    page.locator("a[rel=next]").click()
    assert page.locator("td").last.inner_text() == "row number 59"
    page.fill("#q", "number 31")
    page.press("#q", "Enter")
    page.locator("#count", has_text="1 row").wait_for()
    assert page.locator("td").all_inner_texts()[1] == "row 31"

    sent = page.request.get(f"{house.url}/artifacts/{model}/files/preview.html").headers
    assert sent["content-security-policy"].startswith("sandbox;") and "allow" not in sent["content-security-policy"]
    assert sent["content-type"].startswith("text/html") and sent["x-content-type-options"] == "nosniff"
    assert (store.path(store.resolve(model)) / "manifest.json").is_file()
    for name in ("manifest.json", "..%2f..%2f..%2ftuneloop.db", "%2e%2e/x", "nothing"):
        assert page.request.get(f"{house.url}/artifacts/{model}/files/{name}").status == 404, name


def test_an_evaluation_and_a_load_test_show_their_figures(page: Any, house: Console) -> None:
    def made(stage: str) -> Any:
        return house.workspace.run(find_stage(stage).model_validate(filled(house, stage))).output

    runs = {stage: made(stage) for stage in ("evaluate", "loadtest")}
    page.goto(f"{house.url}/artifacts/{runs['evaluate']}")
    heads = page.locator("#scores table").first.locator("th[scope=col]").all_inner_texts()
    told = ["p", "p, adjusted", "questions", "what this shows"]
    assert heads[1:] == ["model", "against", "difference", "95% interval", *told]
    decides = page.locator("#scores tr", has=page.get_by_text("decides", exact=True))
    assert decides.count() == 1 and page.get_by_text("correctness", exact=True).count() == 0, "each figure once"
    assert page.locator("#correctness tr").count() >= 2
    assert "ROUGE-L" in page.locator("#scores").inner_text() and "Lin 2004" in page.locator("#scores").inner_text()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the report").click()
    report = opened.value
    report.locator("h1", has_text="Evaluation").wait_for()
    report.get_by_text("中文").first.click()
    report.locator("h1", has_text="评测").wait_for()
    report.close()
    page.locator("a[href$='/rows/items']").click()
    page.locator("td a").first.click()
    page.locator("#origins a").click()
    assert "/rows/examples/" in page.url
    page.goto(f"{house.url}/artifacts/{runs['loadtest']}")
    assert page.locator("#times tr").count() >= 4
    assert page.locator("img.picture").evaluate("image => image.complete && image.naturalWidth > 0")


def test_lists_go_on_are_searched_and_keep_the_focus(page: Any, house: Console) -> None:
    runs = house.workspace.store.runs
    for number in range(60):
        runs.submit(
            stage="count", stage_version=1, params={}, typed={}, key=f"k{number}", tag=f"many-{number}", inputs=[]
        )
    page.goto(f"{house.url}/runs?q=many-")
    assert page.locator("tr").count() == 51 and "60" in page.locator(".paging").inner_text()
    page.locator("a[rel=next]").click()
    assert page.locator("tr").count() == 11 and page.locator("td", has_text="many-0").count() == 1
    page.select_option("#state", "queued")
    page.fill("#q", "many-7")
    page.press("#q", "Enter")
    page.wait_for_url("**/runs?q=many-7*")
    page.locator("td a").first.focus()
    (row,) = runs.recent(limit=1)
    for one in runs.recent(limit=1000, state="queued"):
        runs.cancel(one.id)
    page.locator("#live", has_text="No runs found.").wait_for()  # it renews itself
    page.select_option("#state", "cancelled")
    page.press("#q", "Enter")
    page.locator("td a").first.wait_for()
    page.locator("#live td a").first.focus()
    house.workspace.store.runs.add_metrics(row.id, [])
    page.wait_for_timeout(2300)
    assert page.evaluate("document.activeElement.closest('#live') !== null")
    page.goto(f"{house.url}/artifacts?kind=documents&q=bet")
    assert page.locator("td a", has_text="documents:beta").count() == 1
    page.goto(f"{house.url}/runs/nothing")
    assert "there is no run" in page.locator("[role=alert]").inner_text()


def test_a_curve_is_sent_once_and_grows_and_a_name_is_taken_away(page: Any, house: Console, tmp_path: Path) -> None:
    store = house.workspace.store
    run = store.runs.submit(stage="count", stage_version=1, params={}, typed={}, key="curve", tag="", inputs=[])
    store.runs.add_metrics(run, [("loss", 1 / (n + 1), n, 0.0) for n in range(3000)])
    page.goto(f"{house.url}/runs/{run}")
    drawn = page.locator("#chart svg").inner_html()
    with page.expect_response(lambda answer: "have=" in answer.url) as asked:
        pass
    assert "<svg" not in asked.value.text().split('id="chart"')[1].split("</div>")[0]
    page.wait_for_timeout(200)
    assert page.locator("#chart svg").inner_html() == drawn, "it stays where nothing is new"
    store.runs.add_metrics(run, [("loss", 3.0, 3000, 0.0)])
    page.wait_for_function("old => document.querySelector('#chart svg').innerHTML !== old", arg=drawn)
    store.runs.cancel(run)
    address = save(store, tmp_path, rejected=1)
    store.artifacts.tag("not-needed", Address.parse(address))
    page.goto(f"{house.url}/artifacts/dataset:not-needed")
    page.get_by_role("button", name="dataset:not-needed").click()
    page.locator("h1", has_text=address[:20]).wait_for()
    assert store.artifacts.resolve("dataset:not-needed@1") and page.locator("text=not-needed@1").count()


def test_language_and_theme_are_chosen_on_every_page_and_remembered(browser: Any, house: Console) -> None:
    context = browser.new_context(color_scheme="light", locale="zh-CN")
    tab = context.new_page()
    tab.goto(f"{house.url}/runs?q=x")
    assert tab.locator("html").get_attribute("lang") == "en", "the workspace says so, whatever the browser's own"
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(ground)
    tab.get_by_role("button", name="dark", exact=True).click()
    assert "next=%2Fruns%3Fq%3Dx" in tab.url or "next=/runs%3Fq%3Dx" in tab.url, "the page is the same"
    assert tab.evaluate(ground) != light
    tab.get_by_role("button", name="中文").click()
    assert tab.locator("html").get_attribute("lang") == "zh-CN"
    tab.goto(f"{house.url}/login?language=en")
    assert tab.locator("html").get_attribute("lang") == "en", "a link says what its sender saw"
    tab.goto(f"{house.url}/login")
    assert tab.locator("html").get_attribute("lang") == "zh-CN" and tab.evaluate(ground) != light
    tab.get_by_role("button", name="跟随系统").click()
    assert tab.evaluate(ground) == light
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window(width: int, visitors: dict[str, Any], house: Console) -> None:
    tab = visitors["zh"].new_page()
    tab.set_viewport_size({"width": width, "height": 800})
    model, dataset = house.tuned(), house.refs["dataset"]
    places = ["/", "/runs", "/artifacts", "/stages/train", f"/artifacts/{model}", f"/artifacts/{dataset}/rows/examples"]
    places += [f"/artifacts/{dataset}/rows/examples/0", "/runs/none"]
    places += [f"/runs/{row.id}" for row in house.workspace.store.runs.recent(limit=1)]
    for place in places:
        tab.goto(house.url + place)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, place
    tab.close()


def test_a_page_of_another_site_is_refused(browser: Any, house: Console, tmp_path: Path) -> None:
    form = f"<form method=post action='{house.url}/logout'><button>x</button></form>"

    async def evil(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = [(b"content-type", b"text/html")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": form.encode()})

    other, open_house = Running(evil), Running(build_app(Workspace(tmp_path), auth=False))
    context = browser.new_context()
    tab = context.new_page()
    try:
        tab.goto(house.url)
        tab.fill("#key", house.key("member"))
        tab.press("#key", "Enter")
        tab.wait_for_selector(".stages")
        tab.goto(other.url.replace("127.0.0.1", "evil.test"))
        tab.get_by_role("button").click()
        assert "another site" in tab.locator("[role=alert]").inner_text()
        tab.goto(house.url)
        assert tab.locator(".stages").count(), "and nobody was logged out"
        tab.goto(open_house.url.replace("127.0.0.1", "rebound.test"))
        assert "only programs and pages of this machine" in tab.locator("[role=alert]").inner_text()
    finally:
        other.stop()
        open_house.stop()
        context.close()
