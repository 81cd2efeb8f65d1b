"""Documents that other tools were reported to read wrongly. The inputs are our own, of the same kind.

| test | source | right |
|---|---|---|
| test_hyphens_at_line_ends | Unstructured-IO/unstructured #2234, #3486 | a hyphen goes only where it broke a word |
| test_what_is_no_longer_valid | microsoft/markitdown #2340 | what is struck out is marked |
| test_a_listing_with_markup | Unstructured-IO/unstructured #2520 | every line of a listing is a line |
| test_a_title_stays_with_its_table | infiniflow/ragflow #8044 | a table stands in one passage with its title |
| test_answers_that_fold | docling-project/docling #1406 | what folds, addresses, captions, forms, warnings are read |
| test_a_page_inside_a_form | infiniflow/ragflow #16422 | the page that a form surrounds is read |
| test_a_deep_list | own find | what follows a list of twelve levels is read |
| test_powers_and_units | adbar/trafilatura #889, datalab-to/marker #274 | 10⁶ is not 106 |
"""

from pathlib import Path

import pytest
from test_documents import chunks_of, document, lines_on_a_page


def test_hyphens_at_line_ends(tmp_path: Path) -> None:
    lines = [
        "The agency published a recommenda-", "tion on export licences. Revenue in euro changed by -",
        "4.75 percent within one year, and the non-", "OECD share is small. Pumps of type KX-",
        "310 are listed under EN-", "12266 for the period 2026-", "2029; the desk answers at 555-",
        "0147. It is a well-", "known and up-to-", "date list.",
    ]  # fmt: skip
    text = document(tmp_path, "a.pdf", lines_on_a_page(lines)).text
    for right in ("recommendation", "by -4.75 percent", "non-OECD", "KX-310", "EN-12266", "2026-2029", "555-0147",
                  "well-known", "up-to-date"):  # fmt: skip
        assert right in text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", "# Terms\n\nThe notice is ~~six weeks~~ four weeks.\n"),
        ("a.html", "<h1>Terms</h1><p>The notice is <del>six weeks</del> <ins>four weeks</ins>.</p>"),
    ],
)
def test_what_is_no_longer_valid(tmp_path: Path, name: str, content: str) -> None:
    assert document(tmp_path, name, content).text == "# Terms\n\nThe notice is ~~six weeks~~ four weeks."


def test_a_listing_with_markup(tmp_path: Path) -> None:
    listing = "<h1>Settings</h1><pre><span>port</span>: 8080<br><span>user</span>: web<br/>\n<i>home</i>: /srv</pre>"
    assert "port: 8080\nuser: web\n\nhome: /srv" in document(tmp_path, "a.html", listing).text


def test_a_title_stays_with_its_table() -> None:
    rows = "".join(f"| case {n} | cause {n} |\n" for n in range(3))
    text = f"# Faults\n\n## Pump\n\n| case | cause |\n|---|---|\n{rows}\n## Fan\n\n| case | cause |\n|---|---|\n{rows}"
    for title in ("## Pump", "## Fan"):
        assert any(title in c.text and "| case 2 | cause 2 |" in c.text[c.text.index(title) :] for c in chunks_of(text))


def test_answers_that_fold(tmp_path: Path) -> None:
    page = (
        "<main><h1>Service</h1><details><summary>Who pays the freight?</summary><p>The sender pays it.</p></details>"
        "<h2><button aria-expanded=false>How long does it take?</button></h2><div hidden role=tabpanel>Ten days.</div>"
        "<address>Depot, 4 Quay Street</address><figure><img src=a.png alt='Map of the depot'><figcaption>The depot"
        "</figcaption></figure><form action=/go><p>Enclose the slip S-2 with the parcel.</p><input name=q></form>"
        "<aside><p>Caution: drain the tank before shipping.</p></aside></main>"
    )
    text = document(tmp_path, "a.html", page).text
    for said in ("Who pays the freight?", "The sender pays it.", "## How long does it take?", "Ten days.",
                 "4 Quay Street", "Map of the depot", "The depot", "slip S-2", "drain the tank"):  # fmt: skip
        assert said in text


def test_a_page_inside_a_form(tmp_path: Path) -> None:
    page = (
        "<html><head><title>服务大厅</title></head><body><form method=post action=view.aspx id=form1><div class=main>"
        "<h1>公积金提取</h1><p>职工购买自住住房的，可以凭购房合同申请提取。</p><p>材料齐全的，三个工作日内到账。</p>"
        "</div></form></body></html>"
    )
    assert document(tmp_path, "a.html", page).text == (
        "# 公积金提取\n\n职工购买自住住房的，可以凭购房合同申请提取。\n\n材料齐全的，三个工作日内到账。"
    )


def test_a_deep_list(tmp_path: Path) -> None:
    levels = "".join("  " * n + f"- level {n + 1}\n" for n in range(12))
    text = document(tmp_path, "a.md", f"# Tree\n\n{levels}\n## Prices\n\nOne euro.\n\n## Hours\n\nTen to four.\n").text
    assert "- level 12" in text and text.endswith("## Prices\n\nOne euro.\n\n## Hours\n\nTen to four.")


@pytest.mark.parametrize("name", ["a.html", "a.md"])
def test_powers_and_units(tmp_path: Path, name: str) -> None:
    text = document(
        tmp_path, name, "<p>A hall of 40 m<sup>2</sup> with 10<sup>9</sup> bytes and CO<sub>2</sub></p>"
    ).text
    assert text == "A hall of 40 m^2 with 10^9 bytes and CO2"
