"""REST and the console: what is refused is said clearly, and pages can be read by everybody."""

import pytest
from starlette.testclient import TestClient

from tuneloop.address import KINDS
from tuneloop.runner import Workspace
from tuneloop.web.app import build_app


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    return TestClient(build_app(workspace, auth=False))


def test_a_kind_or_state_that_is_not_is_refused_by_name(client: TestClient) -> None:
    refused = client.get("/api/artifacts?kind=zz")
    assert refused.status_code == 422 and "\n" not in refused.json()["error"]
    assert all(kind in refused.json()["error"] for kind in ("kind: ", *KINDS))
    assert client.get("/api/artifacts?kind=model").json() == []
    refused = client.get("/api/runs?state=zz")
    assert refused.status_code == 422 and "cancelled" in refused.json()["error"]
