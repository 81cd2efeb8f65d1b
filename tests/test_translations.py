"""A package brings what its stages say in Chinese; a catalogue that cannot be used is named, and stops nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.mofile import write_mo

from tuneloop import language, translations
from tuneloop.language import _, shown, speaking

ROOT = Path(__file__).resolve().parent.parent
MODULE = '''
from pathlib import Path
from typing import Any, ClassVar
from pydantic import Field
from tuneloop.kinds.documents import DOCUMENTS
from tuneloop.stage import Context, Kind, Stage

def folder():
    return Path(__file__).parent / "elsewhere"

class Harvest(Stage):
    """Bring in the harvest."""
    name: ClassVar[str] = "harvest"
    makes: ClassVar[Kind] = "documents"
    baskets: int = Field(1, description="How many baskets.")

    def run(self, ctx: Context) -> dict[str, Any]:
        ctx.reject("basket 1", "the fruit has 3 worms", "apple")
        DOCUMENTS.write(ctx.out, [])
        return {"baskets": self.baskets}
'''
POINTS = """[tuneloop.stages]
harvest = orchard:Harvest

[tuneloop.translations]
orchard = orchard_words
more = orchard:folder
torn = orchard_torn
loose = orchard_loose
nothing = orchard:Harvest
"""
SECOND = """[tuneloop.translations]
more = mill_words
"""


def write(folder: Path, **texts: str) -> None:
    catalogue = Catalog(locale="zh_CN")
    for text, told in texts.items():
        catalogue.add(text, told)
    folder.mkdir(parents=True)
    with (folder / "words.mo").open("wb") as file:
        write_mo(file, catalogue)


def install(site: Path, package: str, points: str) -> None:
    facts = site / f"{package}-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(points)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packages as pip leaves them: four catalogues that can be used, and three that cannot."""
    site = tmp_path_factory.mktemp("site")
    install(site, "orchard", POINTS)
    install(site, "mill", SECOND)
    (site / "orchard.py").write_text(MODULE)
    chinese = "zh_CN/LC_MESSAGES"
    write(site / "orchard_words" / chinese, **{
        "Bring in the harvest.": "把收成运回来。", "How many baskets.": "有几篮。", "rejected": "换掉的词",
        "the fruit has {count} worms": "果实里有{count}条虫",
    })  # fmt: skip
    write(site / "elsewhere" / "zh" / "LC_MESSAGES", baskets="篮")
    write(site / "mill_words" / chinese, flour="面粉")
    write(site / "orchard_loose" / chinese, **{"the fruit is red": "{colour}的果实"})
    torn = site / "orchard_torn" / chinese
    torn.mkdir(parents=True)
    (torn / "words.mo").write_bytes((site / "orchard_words" / chinese / "words.mo").read_bytes()[:90])
    return site


def said(site: Path, *words: str, cwd: Path, status: int = 0) -> str:
    paths = os.pathsep.join([str(site), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "TUNELOOP_LANGUAGE": "zh", "COLUMNS": "200"}
    command = [sys.executable, "-m", "tuneloop", *words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_packages_words_are_shown_in_chinese_on_the_command_line(site: Path, tmp_path: Path) -> None:
    assert "把收成运回来。" in said(site, "--help", cwd=tmp_path)
    usage = said(site, "harvest", "--help", cwd=tmp_path)
    assert "把收成运回来。" in usage and "有几篮。" in usage
    result = said(site, "harvest", "--name", "autumn", cwd=tmp_path)
    assert "果实里有3条虫" in result and "篮" in result, result
    doctor = said(site, "doctor", cwd=tmp_path)
    for name in ("torn", "loose", "nothing"):
        assert f"'{name}'" in doctor and "orchard" in doctor, doctor
    assert "words.mo" in doctor and "{colour}" not in doctor and "'more'" not in doctor


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages in this process."""
    monkeypatch.syspath_prepend(str(site))
    door = translations.TRANSLATIONS
    for name, value in {"_declared": None, "parts": {}, "unfit": {}}.items():
        monkeypatch.setattr(door, name, value)
    monkeypatch.setattr(language, "known", {})
    monkeypatch.setattr(language, "others", translations.catalogues)
    language.templates.cache_clear()
    yield
    language.templates.cache_clear()


def test_the_catalogues_of_several_packages_stand_behind_ours(installed: None) -> None:
    translations.TRANSLATIONS.all()
    unfit = {one.declared.name: one.reason for one in translations.TRANSLATIONS.unfit.values()}
    assert set(unfit) == {"torn", "loose", "nothing"} and unfit["nothing"] == "it leads to no folder"
    assert "words.mo is no catalogue" in unfit["torn"] and "'the fruit is red'" in unfit["loose"]
    with speaking("zh"):
        assert (_("baskets"), _("flour"), shown("the fruit has 12 worms")) == ("篮", "面粉", "果实里有12条虫")
        assert _("rejected") != "换掉的词", "what we say ourselves is ours"
        assert _("the fruit is red") == "the fruit is red"
    assert _("flour", "en") == "flour"
