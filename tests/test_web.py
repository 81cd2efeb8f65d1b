"""REST and the console: what is refused is said clearly, and pages can be read by everybody."""

import asyncio
import json
import math
import re
from html import unescape
from pathlib import Path
from typing import Any, ClassVar, Literal
from unittest.mock import Mock

import pytest
from click.testing import CliRunner
from lxml import html
from pydantic import Field
from starlette.testclient import TestClient
from toystage import Count

from tuneloop.access import create_key, revoke_key
from tuneloop.cli.serve import web as web_command
from tuneloop.errors import TuneloopError
from tuneloop.kinds import KINDS
from tuneloop.language import _, speaking
from tuneloop.records import Example, Rejected, write_rows
from tuneloop.registry import BUILT_IN
from tuneloop.runner import Workspace
from tuneloop.stage import Kind, Stage
from tuneloop.store.tables import open_table
from tuneloop.web.app import build_app
from tuneloop.web.form import as_sent, fields_of, read
from tuneloop.web.rows import number_of, row_at, search
from tuneloop.worker import work

HERE = "http://127.0.0.1"


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    return TestClient(build_app(workspace, auth=False), base_url=HERE)


def test_a_kind_or_state_that_is_not_is_refused_by_name(client: TestClient) -> None:
    refused = client.get("/api/artifacts?kind=zz")
    assert refused.status_code == 422 and "\n" not in refused.json()["error"]
    assert all(kind in refused.json()["error"] for kind in ("kind: ", *KINDS.names()))
    assert client.get("/api/artifacts?kind=model").json() == []
    for path, near in (
        ("/api/artifacts?kind=modle", "model"), ("/api/runs?state=dnoe", "done"), ("/artifacts?kind=modle", "model"),
        ("/runs?state=dnoe", "done"), ("/runs?stage=pars", "parse"), ("/api/stages/pars", "parse"), ("/rusn", "/runs"),
    ):  # fmt: skip
        for language, says in (("en", "id you mean"), ("zh", "是不是想")):
            told = client.get(f"{path}{'&' if '?' in path else '?'}language={language}")
            assert told.status_code in (404, 422) and re.search(f"{says}.*'{near}'", unescape(told.text)), told.text
    assert "Did you mean 'chunk'?" in client.post("/api/stages/chnk", json={}).json()["error"]
    refused = client.get("/api/runs?state=zz")
    assert refused.status_code == 422 and "cancelled" in refused.json()["error"]


@pytest.mark.parametrize(
    ("stage", "body", "language", "says"),
    [
        ("loadtest", "{}", "en", "give the URL of a server, or --model, and not both"),
        ("loadtest", "{}", "zh", "要么给出服务器的 URL，要么给出 --model，不能两者都给"),
        ("count", '{"to": "many"}', "zh", "to：应为整数"),
        ("count", '{"to": 2', "en", "Input should be valid JSON"),
        ("count", "[]", "en", "Input should be an object"),
        ("count", "", "en", "body: this is needed"),
    ],
)
def test_a_bad_body_is_refused_in_the_words_of_the_command_line(
    client: TestClient, stage: str, body: str, language: str, says: str
) -> None:
    with speaking(language):
        refused = client.post(f"/api/stages/{stage}", content=body, headers={"content-type": "application/json"})
    told = refused.json()["error"]
    assert refused.status_code == 422 and told.startswith(says), told


def test_a_bug_and_a_broken_disk_are_told_as_json(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    client = TestClient(build_app(workspace, auth=False), base_url=HERE, raise_server_exceptions=False)
    for error, status, says in ((KeyError("secret"), 500, "KeyError"), (OSError(28, "x"), 400, "the disk is full")):
        monkeypatch.setattr(workspace, "submit", Mock(side_effect=error))
        found = client.post("/api/stages/count", json={"to": 2})
        assert found.status_code == status and says in found.json()["error"] and "secret" not in found.text
        assert found.headers["x-content-type-options"] == "nosniff"
    monkeypatch.setattr(workspace, "submit", Mock(side_effect=TuneloopError("there is no \ud800")))
    assert client.post("/api/stages/count", json={"to": 2}).json()["error"] == "there is no \ud800"


def test_the_openapi_description_says_what_is_sent(workspace: Workspace, rejecting: str) -> None:
    client = TestClient(build_app(workspace), base_url=HERE)
    client.headers["authorization"] = f"Bearer {create_key(workspace.store, 'x', role='admin').key}"
    api = client.get("/api/openapi.json").json()
    assert {s["type"] for s in api["components"]["securitySchemes"].values()} == {"http", "apiKey"}
    assert "HTTPValidationError" not in api["components"]["schemas"]
    run = client.post("/api/stages/count", json={"to": 2}).json()["run"]
    workspace.store.traffic.log([{"id": "r", "time": 1.0, "path": "/", "route": "x", "status": 200, "streamed": True,
                                  "seconds": 0.5, "citations": [{"n": 1}]}])  # fmt: skip
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            assert operation["security"] and {"401", "403", "404", "409", "422"} < {*operation["responses"]}
            refused = operation["responses"]["422"]["content"]["application/json"]["schema"]
            assert refused == {"$ref": "#/components/schemas/Problem"}
            good = next(r for status, r in operation["responses"].items() if status < "300")
            if path.endswith("/export"):
                assert set(good["content"]) == {"application/jsonl", "text/csv"}, "a file, and no JSON"
                continue
            text = json.dumps(good["content"]["application/json"]["schema"])
            assert "$ref" in text or "metrics" in path, f"{method} {path} says nothing of what it sends: {text}"
            if method == "get":
                found = client.get(path.format(run=run, ref=rejecting))
                assert found.status_code == 200, found.text
    assert client.get(f"/api/runs/{run}").json()["params"]["to"] == 2
    assert client.get(f"/api/artifacts/{rejecting}/lineage").json() == {"artifact": rejecting, "edges": []}
    assert "properties" in client.get("/api/stages").json()[0]["schema"]


def test_a_wrong_key_is_refused_on_the_login_page(workspace: Workspace) -> None:
    client = TestClient(build_app(workspace), base_url=HERE, follow_redirects=False)
    good, revoked = (create_key(workspace.store, "x", role="member") for _n in range(2))
    revoke_key(workspace.store, revoked.id)
    for wrong in ("", "nonsense", good.key[:-1] + "!", revoked.key):
        refused = client.post("/login", data={"key": wrong})
        assert refused.status_code == 401 and "set-cookie" not in refused.headers
        assert "not valid" in html.fromstring(refused.text).findtext(".//p[@role='alert']")
    caller = client.post("/login", data={"key": create_key(workspace.store, "x", role="caller").key})
    assert caller.status_code == 403 and "set-cookie" not in caller.headers and "role member" in caller.text
    assert client.get("/").headers["location"] == "/login"
    assert client.post("/login", data={"key": f" {good.key}"}).headers["location"] == "/"
    assert client.get("/").status_code == 200


def test_the_language_of_a_page_is_what_was_asked_for_then_chosen_then_the_workspaces_then_the_browsers(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(setting: str, query: str = "", cookie: str = "", browser: str = "") -> str:
        (workspace.store.root / "tuneloop.toml").write_text(f'language = "{setting}"')
        client = TestClient(build_app(Workspace(workspace.store.root), auth=False), base_url=HERE)
        client.cookies.set("tuneloop_language", cookie)
        asked = client.get("/nothing", params={"language": query}, headers={"accept-language": browser})
        page = html.fromstring(asked.text)
        assert page.xpath("string(//h1)") == _("This did not work", "zh" if page.get("lang") == "zh-CN" else "en")
        return page.get("lang")

    monkeypatch.delenv("TUNELOOP_LANGUAGE")
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")  # of the machine that serves, which says nothing of a visitor
    assert shown("", browser="fr;q=0.9, zh-TW, en") == "zh-CN" and shown("", browser="fr") == "en"
    assert shown("zh", browser="en-GB") == "zh-CN" and shown("zh", cookie="en") == "en"
    assert shown("en", cookie="xx", browser="zh") == "en" and shown("en", query="zh", cookie="en") == "zh-CN"


def test_a_public_url_is_a_site_and_not_a_path(workspace: Workspace) -> None:
    toml = workspace.store.root / "tuneloop.toml"
    toml.write_text('console_url = "https://Tune.example:443/"')
    assert Workspace(workspace.store.root).store.settings.console_url == "https://tune.example"
    for wrong in ("https://a.example/tune", "a.example", "ftp://a.example"):
        toml.write_text(f'gateway_url = "{wrong}"')
        with pytest.raises(TuneloopError, match=r"gateway_url: expected http://HOST"):
            Workspace(workspace.store.root)
        refused = CliRunner().invoke(web_command, ["--public-url", wrong])
        assert refused.exit_code == 2 and "without a path" in refused.output


def test_what_is_wrong_is_told_in_the_language_of_the_page(client: TestClient) -> None:
    for language, says in (("en", "there is no run"), ("zh", _("there is no run {run!r}", "zh")[:3])):
        assert says in client.get("/runs/zz", params={"language": language}).text


@pytest.mark.parametrize("ran_in", ["en", "zh"])
def test_why_a_run_failed_is_told_in_the_language_of_the_page(
    ran_in: str, client: TestClient, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever language the worker had: message, hint and the reasons within, and nothing half in each."""
    monkeypatch.setenv("TUNELOOP_LANGUAGE", ran_in)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "torn.pdf").write_bytes(b"%PDF-1.4 torn")
    (tmp_path / "bad" / "blank.md").write_text("")
    runs = [
        client.post("/api/stages/parse", json={"paths": [str(tmp_path / "bad")]}).json()["run"],
        client.post("/api/stages/import", json={"file": str(tmp_path / "bad" / "blank.md")}).json()["run"],
        client.post("/api/stages/count", json={"to": 2, "pause": 0, "trouble": "user"}).json()["run"],
    ]
    work(workspace, once=True)

    def shown(run: str, language: str) -> Any:
        return html.fromstring(client.get(f"/runs/{run}", params={"language": language}).text).find(
            ".//p[@class='failed']"
        )

    english, chinese = (shown(runs[0], language).text_content() for language in ("en", "zh"))
    assert english.startswith("none of the 2 files could be read. blank.md: empty; torn.pdf: damaged or truncated")
    assert "blank.md：空文件；torn.pdf：" in chinese and not re.search("none|damaged|files", chinese), chinese
    assert not re.search(r"[\u4e00-\u9fff]", shown(runs[1], "en").text_content())
    assert re.search(r"[\u4e00-\u9fff]", shown(runs[1], "zh").text_content())
    foreign = shown(runs[2], "zh")  # of a stage that has no Chinese: whole, and marked
    assert foreign.findtext("span[@lang='en']") == "numbers.txt:5: the numbers ran out. Bring more."
    assert english[:60] in client.get("/runs", params={"language": "en"}).text


def test_text_is_found_wherever_it_stands_in_a_row(tmp_path: Path) -> None:
    row = {"sources": [{"quote": "Unter DRUCK"}], "messages": [{"role": "user", "content": "压力（bar）"}]}
    plain = [{"id": str(n), "messages": [{"role": "user", "content": "x"}]} for n in range(3000)]
    rows = [Example(**one) for one in [*plain[:2500], {"id": "a", **row}, *plain[2500:], {"id": "b", **row}]]
    write_rows(tmp_path / "examples.parquet", Example, rows)
    table = open_table(tmp_path, "examples")
    for text in ("druck", "压力（b"):
        found, count = search(table, text=text)
        assert [number for number, _row in found] == [2500, 3001] and count == 2
        assert [row["id"] for _n, row in search(table, text=text, offset=1)[0]] == ["b"]
    assert [n for n, _row in search(table, offset=2047, limit=3)[0]] == [2047, 2048, 2049]
    assert row_at(table, 3001)["id"] == "b" and number_of(table, "b") == 3001 and number_of(table, "c") is None
    with pytest.raises(TuneloopError):
        row_at(table, 3002)


def test_a_form_is_read_by_the_types_of_its_fields() -> None:
    class Odd(Stage):
        """A stage with every kind of field."""

        name: ClassVar[str] = "odd"
        makes: ClassVar[Kind] = "documents"
        method: str = Field("x", description="Named as what a form has itself.")
        sizes: list[int] = Field([], description="Numbers.")
        level: Literal[1, 2] | None = Field(None, description="A choice of numbers.")
        parts: list[Literal["a", "b"]] = Field([], description="Several of a few.")
        facts: dict[str, int] = Field({}, description="Anything.")
        mixed: int | str = Field(0, description="A number or a text.")
        yes: bool = Field(True, description="Or no.")
        words: list[str] = Field([], description="Each may hold a comma.")

    shapes = [field.shape for field in fields_of(Odd)]
    assert shapes == ["text", "lines", "choice", "choices", "json", "json", "boolean", "lines"]
    assert all(field.key.startswith("field.") for field in fields_of(Odd)), "no name meets a property of a form"
    sent = {"method": [" post "], "sizes": ["1\r\n2\r\n"], "level": ["2"], "parts": ["a", "b"], "facts": ['{"a": 1}'],
            "mixed": ["7"], "yes": ["false"], "words": ["one, two\r\n\r\nthree"]}  # fmt: skip
    body = {"method": " post ", "sizes": [1, 2], "level": 2, "parts": ["a", "b"], "facts": {"a": 1}, "mixed": 7,
            "yes": False, "words": ["one, two", "three"]}  # fmt: skip
    assert read(Odd, {f"field.{name}": values for name, values in sent.items()}).body == body
    assert as_sent(fields_of(Odd), body)["field.words"] == ["one, two\nthree"]
    empty = {f"field.{name}": [""] for name in sent}
    assert read(Odd, empty).body == {}, "an empty field stands for its default"


def test_the_event_loop_does_not_wait_for_the_database_to_know_a_key(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, key = workspace.store.keys.find, create_key(workspace.store, "x", role="member").key

    def asked(public: str) -> object:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return ask(public)

    monkeypatch.setattr(workspace.store.keys, "find", Mock(side_effect=asked))
    for method, path in (("GET", "/"), ("POST", "/login")):
        client = TestClient(build_app(workspace), base_url=HERE)
        found = client.request(method, path, data={"key": key}, headers={"authorization": f"Bearer {key}"})
        assert found.status_code == 200
    assert workspace.store.keys.find.call_count == 2


@pytest.fixture
def rejecting(workspace: Workspace, tmp_path: Path) -> str:
    """The address of an artifact with 25 rows that were set aside."""
    rows = [Rejected(where=f"<b>{n}</b>", reason="too <i>short</i>" if n < 22 else "too long") for n in range(25)]
    folder = tmp_path / "made"
    folder.mkdir()
    write_rows(folder / "rejected.parquet", Rejected, rows)
    return str(workspace.store.artifacts.save("documents", folder, {"rejected": 25, "mean": 1 / 3, "types": {"md": 1}}))


def test_the_page_of_an_artifact_shows_what_was_set_aside(client: TestClient, rejecting: str) -> None:
    page = html.fromstring(client.get(f"/artifacts/{rejecting}").text)
    (aside,) = page.xpath("//section[@id='set-aside']")
    reasons = [[c.text_content().strip() for c in row] for row in aside.iter("tr")][1:]
    assert reasons == [["too <i>short</i>", "22"], ["too long", "3"]]
    assert "set aside: 25" in page.text_content() and not page.xpath("//td//b | //td//i")
    for link, count in zip(aside.xpath(".//td/a/@href"), (22, 3), strict=True):
        there = html.fromstring(client.get(link).text)
        assert there.xpath("string(//*[@id='count'])") == f"{count} rows" and len([*there.iter("tr")]) == count + 1


def test_numbers_of_a_summary_have_labels_in_the_language_of_the_reader(
    client: TestClient, workspace: Workspace, rejecting: str
) -> None:
    workspace.store.artifacts.tag("x", workspace.store.artifacts.resolve(rejecting))
    for language, says in (("en", "mean 0.3333; rejected 25"), ("zh", f"平均 0.3333；{_('rejected', 'zh')} 25")):
        shown = html.fromstring(client.get("/", params={"language": language}).text)
        assert says in " ".join(shown.text_content().split())


def test_the_page_of_a_run_draws_its_loss(client: TestClient, workspace: Workspace) -> None:
    run = workspace.run(Count(to=2)).run
    losses = [("loss", value, step, 0.0) for step, value in ((1, 2.5), (2, math.inf), (3, 1.5), (None, 9.0))]

    def drawn() -> list[str]:
        page = html.fromstring(client.get(f"/runs/{run}", params={"language": "zh"}).text)
        return [text.text_content() for text in page.xpath("//svg//text[@class='legend']")]

    workspace.store.runs.add_metrics(run, [*losses[:1], ("validation_loss", 3.0, 0, 0.0)])
    assert drawn() == []  # one point is no curve
    workspace.store.runs.add_metrics(run, losses)
    assert drawn() == ["训练损失"]
    workspace.store.runs.add_metrics(run, [("validation_loss", 2.0, 3, 0.0)])
    assert drawn() == ["训练损失", "验证损失"]


def test_the_page_of_a_run_is_asked_for_again_until_the_run_has_ended(client: TestClient, workspace: Workspace) -> None:
    def again(path: str) -> list[str]:
        (part,) = html.fromstring(client.get(path).text).xpath("//*[@id='live']")
        return part.xpath("@data-refresh")

    queued = client.post("/api/stages/count", json={"to": 2}).json()["run"]
    assert again(f"/runs/{queued}") == [f"/runs/{queued}"]
    assert "0.0 s" not in client.get("/").text + client.get(f"/runs/{queued}").text  # it has no duration yet
    client.post(f"/api/runs/{queued}/cancel")
    assert again(f"/runs/{queued}") == []
    assert again("/") == again("/part/runs") == ["/part/runs"]


def test_pages_have_a_title_one_heading_and_a_label_for_each_field(
    client: TestClient, workspace: Workspace, rejecting: str
) -> None:
    empty = html.fromstring(client.get("/").text).text_content()
    assert "No runs yet." in empty and "No artifacts yet." in empty
    run = workspace.run(Count(to=2), name="two").run
    stages = [f"/stages/{name}" for name in BUILT_IN]
    titles = set()
    for path in (
        "/",
        "/runs",
        "/artifacts",
        "/nothing",
        f"/runs/{run}",
        f"/artifacts/{rejecting}",
        "/artifacts/model:x",
        *stages,
    ):
        page = html.fromstring(client.get(path).text)
        titles.add(page.findtext(".//title"))
        assert [bool(h1.text_content().strip()) for h1 in page.iter("h1")] == [True], path
        fields = [*page.iter("input", "select", "textarea")]
        inside = [field for label in page.iter("label") for field in label.iter("input")]  # a box within its label
        fields = [field for field in fields if field not in inside]
        labels = {label.get("for") for label in page.iter("label")}
        assert all(field.get("id") in labels for field in fields if field.get("type") != "hidden"), path
        ids = page.xpath("//@id")
        assert len(ids) == len(set(ids)) and {*page.xpath("//@aria-describedby")} <= {*ids}
        assert all(cell.get("scope") for cell in page.iter("th")), path
    assert len(titles) == 6 + len(stages), titles


@pytest.mark.parametrize(
    ("path", "status"), [("/login", 413), ("/choose", 413), ("/stages/count", 413), ("/api/stages/count", 413)]
)
@pytest.mark.parametrize("told", [True, False])
def test_a_request_is_read_to_a_bound(workspace: Workspace, path: str, status: int, told: bool) -> None:
    """Found outside: 100 MB of fields without a key stopped the console for 37 s and took 4 GB."""
    client = TestClient(build_app(workspace), base_url=HERE, follow_redirects=False)
    read = 0

    def sent() -> Any:
        nonlocal read
        for _n in range(200):
            read += 1 << 16
            yield b"k=v&" * (1 << 14)

    content = b"k=v&" * (1 << 21) if told else sent()
    refused = client.post(path, content=content, headers={"content-type": "application/x-www-form-urlencoded"})
    assert refused.status_code == status and "longer than" in refused.text
    assert refused.headers["x-content-type-options"] == "nosniff"
    many = client.post("/login", content=b"k=v&" * 5000, headers={"content-type": "application/x-www-form-urlencoded"})
    assert many.status_code == 413 and "1000" in many.text
    assert client.post("/login", data={"key": "x"}).status_code == 401


def test_what_is_lost_is_not_called_set_aside(client: TestClient, workspace: Workspace, tmp_path: Path) -> None:
    rows = [Rejected(where=str(n), reason="damaged", lost=n < 2) for n in range(5)]
    (tmp_path / "made").mkdir()
    write_rows(tmp_path / "made" / "rejected.parquet", Rejected, rows)
    made = workspace.store.artifacts.save("documents", tmp_path / "made", {"rejected": 5, "lost": 2})
    said = " ".join(html.fromstring(client.get(f"/artifacts/{made}").text).text_content().split())
    assert "lost, though it should have been read or kept: 2" in said and "set aside: 3" in said
    (tmp_path / "made").mkdir()
    write_rows(tmp_path / "made" / "rejected.parquet", Rejected, rows[:1])
    made = workspace.store.artifacts.save("documents", tmp_path / "made", {"rejected": 1, "lost": 1})
    count = html.fromstring(client.get(f"/artifacts/{made}/rows/rejected").text).xpath("string(//*[@id='count'])")
    assert count == "1 row", "numbers agree"
