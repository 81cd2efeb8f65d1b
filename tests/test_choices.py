"""What can be chosen, with its fields, is the same on the command line, in REST, in Python and in a loop file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tuneloop.cli import main
from tuneloop.cli.loop import read_loop
from tuneloop.cli.stages import build, stage_command
from tuneloop.runner import Workspace
from tuneloop.settings import describe_invalid
from tuneloop.train import Train
from tuneloop.web.app import build_app

GIVEN: dict[str, Any] = {"dataset": "dataset:x", "model": "m"}
RSLORA = {"name": "rslora", "rank": 8, "alpha": 4, "dropout": 0.0}


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """The parameters of the training that a command would run."""
    found: list[Train] = []
    monkeypatch.setattr("tuneloop.cli.stages.run_stage", lambda stage, **_: found.append(stage))
    stage_command(Train).main(["dataset:x", "--model", "m", *words], standalone_mode=False)
    return found[0].model_dump(mode="json")


def test_a_choice_is_one_thing_on_every_surface(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanted = Train.model_validate({**GIVEN, "method": RSLORA}).model_dump(mode="json")
    assert wanted["method"] == RSLORA, "lineage keeps it whole"
    assert typed(monkeypatch, "--method", "rslora", "--method.rank", "8", "--method.alpha", "4") == wanted
    assert typed(monkeypatch, "--method", "rslora", "--rank", "8", "--alpha", "4") == wanted, "the short flags too"
    assert typed(monkeypatch, "--method", json.dumps(RSLORA)) == wanted
    loop = tmp_path / "loop.toml"
    loop.write_text(
        '[[stage]]\nstage = "train"\ndataset = "dataset:x"\nmodel = "m"\n'
        '[stage.method]\nname = "rslora"\nrank = 8\nalpha = 4\n'
    )
    assert build(Train, read_loop(loop)[0][2]).model_dump(mode="json") == wanted
    assert Train.model_validate_json(json.dumps(wanted)).model_dump(mode="json") == wanted


def test_what_was_said_before_there_were_methods_means_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {**GIVEN, "method": "lora", "rank": 4, "alpha": 8, "dropout": 0.1}  # a run of 0.1, as it was kept
    method = {"name": "lora", "rank": 4, "alpha": 8, "dropout": 0.1}
    assert Train.model_validate(before).model_dump()["method"] == method
    assert Train.model_validate({**GIVEN, "rank": 4}).model_dump()["method"]["rank"] == 4
    assert typed(monkeypatch, "--rank", "4")["method"] == {"name": "lora", "rank": 4, "alpha": 32, "dropout": 0.0}
    assert typed(monkeypatch)["method"] == Train.model_validate(GIVEN).model_dump()["method"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"method": "lorra"}, "method: there is no training method 'lorra'. Did you mean 'lora'?"),
        ({"method": {"rnak": 3}}, "method.rnak: lora has no such option (did you mean 'rank'?)"),
        ({"method": {"name": "rslora", "rank": 0}}, "method.rank: Input should be greater than or equal to 1"),
        ({"method": 5}, "method: Input should be an object"),
        ({"rank": 3, "method": {"rank": 4}}, "rank and method.rank are the same, and differ"),
        ({"backend": "proces"}, "Did you mean 'process'?"),
    ],
)
def test_a_wrong_choice_is_named_in_the_same_words_by_rest_and_python(
    body: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError) as refused:
        Train.model_validate({**GIVEN, **body})
    assert says in describe_invalid(refused.value, Train)  # type: ignore[arg-type]
    client = TestClient(build_app(Workspace(tmp_path), auth=False), base_url="http://127.0.0.1")
    answer = client.post("/api/stages/train", json={**GIVEN, **body})
    assert answer.status_code == 422 and says in answer.json()["error"]


def test_a_wrong_choice_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, says in {
        ("--method", "lorra"): "Did you mean 'lora'?",
        ("--method", "rslora", "--method.rank", "0"): "method.rank: Input should be greater",
    }.items():
        with pytest.raises(SystemExit) as ended:
            main(["train", "dataset:x", "--model", "m", *words])
        told = capsys.readouterr().err
        assert ended.value.code == 2 and says in told and len(told.splitlines()) == 1
    assert not (tmp_path / ".tuneloop").exists()


def test_help_and_schema_list_the_choices_and_their_fields() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "tuneloop", "train", "--help"], env={**os.environ, "COLUMNS": "160"},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    told = " ".join(shown.split())
    assert "--method lora|rslora" in told and "--method.rank, --rank INTEGER lora, rslora: Rank" in told
    assert "rslora: Scale of the LoRA update; it is multiplied by alpha / √rank. [default: 16]" in told
    schema = Train.model_json_schema()["properties"]["method"]
    assert schema["discriminator"] == {"propertyName": "name"}
    assert {one["properties"]["name"]["const"] for one in schema["oneOf"]} >= {"lora", "rslora"}
    assert all(one["properties"]["rank"]["maximum"] == 1024 for one in schema["oneOf"][:2])
