"""Reports from the field about gateways before model servers; see the README beside this file."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx
import pytest
from gateway_house import House, make_house

QUESTION = [{"role": "user", "content": "Which port?"}]

__all__ = ["make_house"]  # a fixture


def ask(house: House, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": QUESTION, **more}
    return httpx.post(f"{house.url}/v1/chat/completions", json=body, trust_env=False, timeout=20)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "says"), [("wrong", "overloaded"), ("page", ""), ("empty", "")])
def test_what_is_no_completion_is_no_success(
    model: str, says: str, stream: bool, make_house: Callable[..., House]
) -> None:
    """QuantumNous/new-api #7399, songquanpeng/one-api #443: HTTP 200 around an error, a page or nothing is a 502.

    What the server said of itself may name its machine and the prompt: it is in the record, not in the reply.
    """
    house = make_house()
    answer = ask(house, model, stream=stream)
    (row,) = house.logged()
    message = answer.json()["error"]["message"]
    assert answer.status_code == row.status == 502 and "no completion" in message
    assert row.error and says in row.error and "overloaded" not in message and "secret" not in message
    assert row.error.startswith(message) and "login" not in row.error and "<" not in row.error
    assert house.gateway.metrics.requests[("path", "/v1/chat/completions"), ("route", model), ("status", "502")] == 1


def test_an_answer_in_parts_with_odd_counts_is_logged_once(make_house: Callable[..., House]) -> None:
    """own: providers send content as a list of parts, and counts that no column holds; the request is in the log."""
    house = make_house()
    assert ask(house, "parts_of").status_code == 200
    (row,) = house.logged()
    assert row.answer == "Port [image_url] 8000" and row.prompt_tokens is row.completion_tokens is None
    assert house.gateway.log.dropped == 0


def test_feedback_while_the_database_is_locked_may_come_again(
    make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """own: a locked database is 503 with Retry-After, not a bug, and no text of a person is in a log line."""
    monkeypatch.setattr("tuneloop.store.database.BUSY", 0.1)
    house = make_house()
    request = ask(house, "good").json()["id"]
    house.logged()
    said = {"request": request, "rating": -1, "comment": "Anna told me", "correction": "ask Anna"}
    with closing(sqlite3.connect(house.store.folder / "tuneloop.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        locked = httpx.post(f"{house.url}/v1/feedback", json=said, trust_env=False, timeout=20)
        other.execute("ROLLBACK")
    assert locked.status_code == 503 and int(locked.headers["retry-after"]) > 0
    assert locked.json()["error"]["code"] == "database" and "Anna" not in locked.text + caplog.text
    assert "SQLITE_BUSY" in caplog.text
    time.sleep(0.05)
    assert httpx.post(f"{house.url}/v1/feedback", json=said, trust_env=False).status_code == 200
    (kept,) = house.store.traffic.feedback()
    assert kept.comment == "Anna told me", "and the second time it is kept"
