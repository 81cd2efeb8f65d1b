"""Reading files of every format, setting bad ones aside, and cutting documents into exact chunks."""

import os
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tuneloop.documents.blocks import Reading, Unreadable, assemble, clean_lines
from tuneloop.documents.chunk import Chunk
from tuneloop.documents.cut import cut
from tuneloop.documents.files import find_files
from tuneloop.documents.html import declared_text, read_html
from tuneloop.documents.markdown import read_markdown
from tuneloop.documents.parse import Parse
from tuneloop.documents.plain import read_csv, read_plain
from tuneloop.documents.read import read_file
from tuneloop.documents.readers import read_bytes
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.records import LEAD, Document, read_rows
from tuneloop.records import Chunk as ChunkRow
from tuneloop.rows import local
from tuneloop.settings import Settings, describe_invalid
from tuneloop.text.language import language_of
from tuneloop.text.tokens import estimate_tokens

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def read(folder: Path, name: str, content: bytes | str):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path, name, "")


def document(folder: Path, name: str, content: bytes | str) -> Document:
    outcome = read(folder, name, content)
    assert outcome.document, outcome.set_aside
    check_sections(outcome.document)
    return outcome.document


def check_sections(found: Document) -> None:
    position = 0
    for section in found.sections:
        assert position <= section.start < section.end <= len(found.text)
        assert not found.text[position : section.start].strip()
        position = section.end
    assert not found.text[position:].strip()


def shape(found: Document) -> list[tuple[str, list[str], str]]:
    return [(s.kind, s.heading, found.text[s.start : s.end]) for s in found.sections]


# Formats


def test_markdown(tmp_path):
    found = document(
        tmp_path,
        "a.md",
        "---\ntitle: 'The Guide'\ntags: [a]\n---\n<!-- licence -->\nimport Tabs from '@theme/Tabs';\n\n[Setext](https://s.org)\n------\n"
        "See [*here*](./b.md) and [site](https://x.org/).\n\n:::note\nMind `a_b`.\n:::\n\n"
        "```sh\necho # no heading\n```\n\n"
        "| a   | b |\n|-----|---|\n| 1   | x \\| y |\n\n- one\n  1. two\n- three\n",
    )
    assert (found.title, found.media_type, found.language) == ("The Guide", "text/markdown", "en")
    assert shape(found) == [
        ("heading", ["The Guide"], "# The Guide"),
        ("heading", ["The Guide", "Setext"], "## Setext"),
        ("text", ["The Guide", "Setext"], "See here and site (https://x.org/).\n\nMind `a_b`."),
        ("code", ["The Guide", "Setext"], "```sh\necho # no heading\n```"),
        ("table", ["The Guide", "Setext"], "| a | b |\n| --- | --- |\n| 1 | x \\| y |"),
        ("list", ["The Guide", "Setext"], "- one\n  1. two\n- three"),
    ]


def test_what_a_site_adds_to_markdown_keeps_its_labels_and_is_counted(tmp_path):
    outcome = read(
        tmp_path,
        "a.mdx",
        "---\ntitle: T\ndraft: yes\n---\nimport Tabs from '@theme/Tabs';\n\n# One {#one}\n\n<!-- hidden -->\n\n"
        "<Tabs\n  values={[\n    {label: 'The web', value: 'web'},\n  ]}>\n"
        '<TabItem value="cli" label="Command & line">\n\nType it.\n\n</TabItem>\n<TabItem value="web">\n\n'
        "Click.\n\n</TabItem>\n</Tabs>\n\n:::note Mind this\nSlow. <!-- why? -->\n:::\n\n"
        "{{< tab title='Third' >}}See {{< ref x >}}it.\n\n<div>\n<button>Copy</button> text</div>\n\n"
        "<img alt='A tap that drips' src='x.png'>\n",
    )
    assert outcome.document and outcome.document.text == (
        "# One\n\nCommand & line\n\nType it.\n\nThe web\n\nClick.\n\nMind this\nSlow.\n\nThird\nSee it.\n\ntext\n\n"
        "A tap that drips"
    )
    assert set(outcome.left_out) == {"front matter", "markup of the site", "comments", "buttons and fields"}
    assert outcome.left_out["front matter"] == len("draft: yes")
    assert outcome.left_out["comments"] == len("<!-- hidden --><!-- why? -->")


def test_html_without_what_surrounds_it(tmp_path):
    found = document(
        tmp_path,
        "a.html",
        "<html><head><title>Duck - Site</title><script>x()</script></head><body><nav><a href=/>Home</a></nav>"
        "<main><h1>Duck</h1><p>A <b>duck</b> is a\nbird.<br>It swims.</p><div class='sidebar'>Ads</div>"
        "<table><tr><th>k</th><th>v</th></tr><tr><td rowspan=2>a</td><td>1</td></tr><tr><td>2</td></tr></table>"
        "<ul><li>one<ul><li>two</li></ul></li></ul><pre class='language-py'>x = 1\n  y</pre></main>"
        "<footer>Imprint</footer></body></html>",
    )
    assert found.title == "Duck"
    assert [text for _, _, text in shape(found)] == [
        "# Duck", "A duck is a bird.\nIt swims.", "| k | v |\n| --- | --- |\n| a | 1 |\n| a | 2 |",
        "- one\n  - two", "```py\nx = 1\n  y\n```",
    ]  # fmt: skip


# Where text may stand in a page, and by which rule it is left out; "" means that it is kept
CONTAINERS = {
    **dict.fromkeys(
        [
            "<form>{}</form>", "<form><div><p>{}</p></div><input></form>", "<fieldset><legend>{}</legend></fieldset>",
            "<label>{}</label>", "<aside>{}</aside>", "<aside class=note><p>{}</p></aside>", "<address>{}</address>",
            "<details><summary>{}</summary></details>", "<details><p>{}</p></details>", "<dialog open>{}</dialog>",
            "<figure><figcaption>{}</figcaption></figure>", "<img alt='{}'>", "<pre>a<br>{}</pre>", "<del>{}</del>",
            "<s>{}</s>", "a<sup>{}</sup>", "a<sub>{}</sub>", "<section><header>{}</header></section>",
            "<header><h2>{}</h2></header>", "<blockquote><footer>{}</footer></blockquote>", "<menu><li>{}</menu>",
            "<h2><button>{}</button></h2>", "<div role=tabpanel hidden>{}</div>", "<center>{}</center>",
            "<section id=related><p>{}</p></section>", "<div id=menu><h2>{}</h2></div>", "<x-card>{}</x-card>",
            "<div class='page has-sidebar'><h1>a</h1>{}</div>", "<dl><dt>a<dd>{}</dl>", "<noscript></noscript>{}",
        ],
        "",
    ),
    "<nav>{}</nav>": "navigation", "<div role=search>{}</div>": "navigation",
    "<header><p>{}</p></header>": "page head", "<footer>{}</footer>": "page foot",
    "<div hidden>{}</div>": "not shown", "<p style='display: none'>{}</p>": "not shown",
    "<template>{}</template>": "not shown", "<noscript>{}</noscript>": "not shown", "<dialog>{}</dialog>": "not shown",
    "<p aria-hidden=true>{}</p>": "not shown",
    "<button>{}</button>": "buttons and fields", "<select><option>{}</select>": "buttons and fields",
    "<form><label>{} <input></label></form>": "buttons and fields",
    "<iframe>{}</iframe>": "pictures and embedded objects",
    "<svg><text>{}</text></svg>": "pictures and embedded objects",
    "<div class=sidebar>{}</div>": "surroundings", "<p class=cookie-banner>{}</p>": "surroundings",
    "<ul><li><a href=/a>{}</a></ul>": "lists of links",
}  # fmt: skip
PICTURE = "<img alt='{}'>"  # holds no other element
TEXT = "<h1>Title</h1><p>" + "There is enough of other text on this page. " * 4 + "</p>"


def read_text(data: bytes, media_type: str) -> Reading:
    parse = {"text/markdown": read_markdown, "text/html": read_html, "text/plain": read_plain, "text/csv": read_csv}
    return read_bytes(data, parse[media_type], declared_text if media_type == "text/html" else None)


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_a_page_says_is_kept_or_left_out_by_a_rule(container):
    reading = read_text(f"<html><body>{TEXT}{container.format('token4711')}</body></html>".encode(), "text/html")
    rule = CONTAINERS[container]
    assert ("token4711" in assemble(reading.blocks)[0]) == (not rule)
    assert dict(reading.left_out) == ({rule: 9} if rule else {})


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(sorted(set(CONTAINERS) - {PICTURE})), max_size=6), st.booleans())
def test_no_text_of_a_page_is_left_out_without_being_counted(nested, main):
    container = "{}"
    for outer in nested:
        container = outer.replace("{}", "{}" + container, 1)
    tokens = [f"token{number:04}" for number in range(container.count("{}"))]
    page = f"{'<main>' if main else ''}{TEXT}{container.format(*tokens)}{'</main>' if main else ''}<p>tokenlast</p>"
    reading = read_text(f"<html><body>{page}</body></html>".encode(), "text/html")
    text = assemble(reading.blocks)[0]
    lost = [token for token in [*tokens, "tokenlast"] if token not in text]
    assert sum(reading.left_out.values()) >= 9 * len(lost)


def test_the_form_around_a_whole_page_is_the_page(ctx, tmp_path):
    words = "居民申请换领证件的，应当交回原证件，并在十五个工作日内领取新证件。"
    (tmp_path / "a.html").write_text(
        f"<html><head><title>窗口</title></head><body><form id=f action=b.aspx><input type=hidden name=v><div>"
        f"<h1>换领证件</h1><p>{words}</p><div id=sidebar><p>{words * 2}</p></div></div></form>"
        "<nav><a href=/>首页</a></nav></body></html>"
    )
    summary = Parse(paths=[str(tmp_path)]).run(ctx)
    (found,) = read_rows(ctx.out / "documents.parquet", Document)
    assert found.text == f"# 换领证件\n\n{words}\n\n{words * 2}"
    assert summary["left_out"] == {"navigation": 2} and summary["rejected"] == 0


@pytest.mark.parametrize("levels", [12, 40, 150, 4000])
@pytest.mark.parametrize("form", ["list", "quote", "div", "font"])
def test_what_nests_deeply_is_read_to_the_end_or_set_aside(tmp_path, levels, form):
    text, name = {
        "list": ("\n".join("  " * n + f"- part {n}" for n in range(min(levels, 400))) + "\n\n## End\n", "a.md"),
        "quote": ("> " * levels + "deep\n\n## End\n", "a.md"),
        "div": ("<html><body>" + "<div>a" * levels + "</div>" * levels + "<h2>End</h2></body></html>", "a.html"),
        "font": ("<html><body>" + "<p><font>a" * levels + "<h2>End</h2></body></html>", "a.html"),
    }[form]
    outcome = read(tmp_path, name, text)
    if outcome.document:
        assert outcome.document.text.endswith("## End") and f"a{levels}" not in outcome.set_aside
    else:
        assert levels > 100 and outcome.set_aside == [("", "nested too deeply to be read")]


def test_struck_out_raised_and_lowered_text(tmp_path):
    html = (
        "<h1>Fees</h1><p>Seat <s>410</s> 390, <span style='text-decoration:line-through'>a</span>; 10<sup>7</sup>, "
        "10<sup>-3</sup>, x<sup>n+1</sup>, 1<sup>st</sup>, 2<sub>10</sub>, CO<sub>2</sub></p>"
        "<del><p>All gone.</p></del>"
        "<table><tr><td>a</td><td>8 m<sup>2</sup></td></tr></table>"
    )
    seen = "Seat ~~410~~ 390, ~~a~~; 10^7, 10^-3, x^(n+1), 1st, 2_10, CO2"
    found = document(tmp_path, "a.html", html).text
    assert found == f"# Fees\n\n{seen}\n\n~~All gone.~~\n\n| a | 8 m^2 |\n| --- | --- |"
    marked = html[html.index("<p>") + 3 : html.index("</p>")].replace("<s>410</s>", "~~410~~")
    marked = marked.replace("<span style='text-decoration:line-through'>a</span>", "<del>a</del>")
    assert document(tmp_path, "a.md", marked).text == seen
    run = "<w:r><w:rPr>{}</w:rPr><w:t xml:space='preserve'>{}</w:t></w:r>"
    raised, lowered, struck = '<w:vertAlign w:val="superscript"/>', '<w:vertAlign w:val="subscript"/>', "<w:strike/>"
    runs = [
        ("", "Seat "), (struck, "41"), (struck, "0"), ('<w:strike w:val="0"/>', " 390, "), ("<w:dstrike/>", "a"),
        ("", "; 10"), (raised, "7"), ("", ", 10"), (raised, "-"), (raised, "3"), ("", ", x"), (raised, "n+1"),
        ("", ", 1"), (raised, "st"), ("", ", 2"), (lowered, "10"), ("", ", CO"), (lowered, "2"),
    ]  # fmt: skip
    body = f"<w:p>{''.join(run.format(look, text) for look, text in runs)}</w:p>"
    outcome = read_file(word(tmp_path, body), "a.docx", "")
    assert outcome.document and outcome.document.text == seen


def test_word_names_symbols_by_font_and_code(tmp_path):
    sym = '<w:r><w:t>a</w:t><w:sym w:font="{}" w:char="{}"/><w:t>5</w:t></w:r>'
    codes = [("Symbol", "F0A3"), ("Symbol", "F02D"), ("Symbol", "F0B1"), ("Wingdings", "F0FE"), ("Other", "F021")]
    endnote = '<w:r><w:endnoteReference w:id="2"/></w:r>'
    notes = f'<w:endnotes {W}><w:endnote w:id="2"><w:p><w:r><w:t>At the end.</w:t></w:r></w:p></w:endnote></w:endnotes>'
    body = f"<w:p>{''.join(sym.format(*code) for code in codes)}{endnote}</w:p>"
    outcome = read_file(word(tmp_path, body, endnotes=notes), "a.docx", "")
    assert outcome.document and outcome.document.text == "a≤5a−5a±5a☑5a\ufffd5[^e2]\n\n[^e2] At the end."


def test_html_in_the_encoding_it_declares(tmp_path):
    page = "<html><head><meta charset='gb2312'></head><body><p>龘字罕见。</p></body></html>"
    assert "龘字罕见" in document(tmp_path, "a.html", page.encode("gb18030")).text


def word(folder: Path, body: str, **parts: str) -> Path:
    path = folder / "a.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>")
        for name, content in parts.items():
            package.writestr(f"word/{name}.xml", content)
    return path


def test_word(tmp_path):
    styles = (
        f'<w:styles {W}><w:style w:styleId="C"><w:name w:val="heading 1"/><w:pPr><w:numPr>'
        '<w:numId w:val="7"/></w:numPr></w:pPr></w:style>'
        '<w:style w:styleId="D"><w:basedOn w:val="C"/><w:name w:val="mine"/></w:style></w:styles>'
    )
    numbering = (
        f'<w:numbering {W}><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="chineseCounting"/>'
        '<w:lvlText w:val="第%1章"/></w:lvl></w:abstractNum><w:num w:numId="7"><w:abstractNumId w:val="1"/></w:num>'
        "</w:numbering>"
    )
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    body = (
        '<w:p><w:pPr><w:pStyle w:val="C"/></w:pPr><w:r><w:t>总则</w:t></w:r></w:p>'
        "<w:p><w:r><w:t>In</w:t></w:r><w:del><w:r><w:delText>out</w:delText></w:r></w:del><w:ins><w:r><w:t>side</w:t></w:r></w:ins></w:p>"
        f"<w:tbl><w:tr>{cell.format('a')}{cell.format('b')}</w:tr><w:tr>{cell.format('1')}{cell.format('2')}</w:tr></w:tbl>"
        '<w:p><w:pPr><w:pStyle w:val="D"/></w:pPr><w:r><w:t>附则</w:t></w:r></w:p>'
    )
    outcome = read_file(word(tmp_path, body, styles=styles, numbering=numbering), "a.docx", "")
    assert outcome.document
    assert shape(outcome.document) == [
        ("heading", ["第一章 总则"], "# 第一章 总则"),
        ("text", ["第一章 总则"], "Inside"),
        ("table", ["第一章 总则"], "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("heading", ["第二章 附则"], "# 第二章 附则"),
    ]


def test_hidden_text_of_a_word_file_is_left_out_and_counted(tmp_path):
    run = "<w:r><w:rPr><w:vanish{}/></w:rPr><w:t>{}</w:t></w:r>"
    path = word(
        tmp_path,
        f"<w:p>{run.format('', 'Draft remark.')}{run.format(' w:val=&quot;0&quot;', 'Shown.')}</w:p>".replace(
            "&quot;", '"'
        ),
    )
    outcome = read_file(path, "a.docx", "")
    assert outcome.document and outcome.document.text == "Shown." and outcome.left_out == {"not shown": 13}


def test_what_stands_beside_the_text_of_a_word_file_is_counted(tmp_path):
    text = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    path = word(
        tmp_path,
        text.format("Body"),
        comments=f"<w:comments {W}><w:comment>{text.format('Is this so?')}</w:comment></w:comments>",
        header1=f"<w:hdr {W}>{text.format('Secret')}</w:hdr>",
        footer2=f"<w:ftr {W}>{text.format('Page')}</w:ftr>",
        footer3="<broken",
        footnotes=f'<w:footnotes {W}><w:footnote w:id="1"><w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>'
        "</w:p></w:footnote></w:footnotes>",
    )
    outcome = read_file(path, "a.docx", "")
    assert outcome.document and outcome.document.text == "Body"
    assert outcome.left_out == {"comments": 11, "running heads and page numbers": 10, "deletions of the revision": 4}


def test_a_row_of_a_word_table_that_begins_further_in_keeps_its_columns(tmp_path):
    def row(*cells: tuple[str, str], before: str = "") -> str:
        made = [f"<w:tc><w:tcPr>{p}</w:tcPr><w:p><w:r><w:t>{t}</w:t></w:r></w:p></w:tc>" for t, p in cells]
        return f"<w:tr><w:trPr>{before}</w:trPr>{''.join(made)}</w:tr>"

    down = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    body = (
        row(("Plan", ""), ("Price", ""), ("Term", "")) + row(("Basic", down[0]), ("5", ""), ("year", down[0]))
        + row(("", down[1]), ("7", ""), ("", down[1]))
        + row(("9", ""), ("", down[1]), before='<w:gridBefore w:val="1"/>')
    )  # fmt: skip
    outcome = read_file(word(tmp_path, f"<w:tbl>{body}</w:tbl>"), "a.docx", "")
    assert outcome.document and outcome.document.text.split("\n")[2:] == [
        "| Basic | 5 | year |", "| Basic | 7 | year |", "|  | 9 | year |"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "seen"),
    [
        ("<m:d><m:e>{stack}</m:e></m:d>", "binom(n, k)"),
        ('<m:d><m:dPr><m:begChr m:val="{{"/><m:endChr m:val="}}"/></m:dPr><m:e>{stack}</m:e></m:d>', "{{stack(n, k)}}"),
        ("<m:limLow><m:e>{n}</m:e><m:lim>{k}</m:lim></m:limLow>", "n_k"),
        ("<m:m><m:mr><m:e>{n}</m:e><m:e>{k}</m:e></m:mr><m:mr><m:e>{k}</m:e></m:mr></m:m>", "[n, k; k]"),
        ("<m:eqArr><m:e>{n}</m:e><m:e>{k}</m:e></m:eqArr>", "n; k"),
        ('<m:bar><m:barPr><m:pos m:val="top"/></m:barPr><m:e>{n}</m:e></m:bar>', "n\u0305"),
    ],
)  # fmt: skip
def test_formulas_keep_their_structure(tmp_path, formula, seen):
    n, k = ("<m:r><m:t>n</m:t></m:r>", "<m:r><m:t>k</m:t></m:r>")
    stack = f'<m:f><m:fPr><m:type m:val="noBar"/></m:fPr><m:num>{n}</m:num><m:den>{k}</m:den></m:f>'
    math = "http://schemas.openxmlformats.org/officeDocument/2006/math"
    body = f'<w:p><m:oMath xmlns:m="{math}">{formula.format(stack=stack, n=n, k=k)}</m:oMath></w:p>'
    outcome = read_file(word(tmp_path, body), "a.docx", "")
    assert outcome.document and outcome.document.text == seen.format()


def pdf(pages: list[list[tuple[str, int, int, int]]]) -> bytes:
    """A PDF from lines (text, x, y, size); size over 100 means bold, less 100. A page of no lines holds a picture."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    objects.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>")
    objects.append(
        "<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>"
        "stream\nx\nendstream"
    )
    kids = []
    for lines in pages:
        shown = [f"BT /F{1 + (s > 100)} {s % 100} Tf {x} {y} Td ({t}) Tj ET" for t, x, y, s in lines]
        stream = "\n".join(shown) or "q 500 0 0 700 0 0 cm /I Do Q"
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
        kids.append(len(objects) + 1)
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {len(objects)} 0 R"
            "/Resources<</Font<</F1 3 0 R/F2 4 0 R>>/XObject<</I 5 0 R>>>>>>"
        )
    objects[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(f'{k} 0 R' for k in kids)}]>>"
    data, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj{body}endobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    return (
        f"{data}xref\n0 {len(places) + 1}\n0000000000 65535 f \n{table}"
        f"trailer<</Size {len(places) + 1}/Root 1 0 R>>\nstartxref\n{len(data)}\n%%EOF"
    ).encode()


def page_of_text(number: int) -> list[tuple[str, int, int, int]]:
    return [
        ("ACME Handbook", 60, 810, 9),
        (f"Part {number} of the work", 60, 740, 18),
        (f"Paragraph {number} begins on this line and it goes on to", 60, 700, 11),
        ("the next line and to the end of it, where there is room.", 60, 686, 11),
        ("Item      ", 60, 640, 11), ("Price", 260, 640, 11),
        ("Bolt", 60, 626, 11), ("1.50", 260, 626, 11),
        (f"- {number} -", 290, 30, 9),
    ]  # fmt: skip


def test_pdf(tmp_path):
    found = document(tmp_path, "a.pdf", pdf([page_of_text(n) for n in (1, 2, 3)]))
    assert found.pages == 3
    prose = "Paragraph 2 begins on this line and it goes on to the next line and to the end of it, where there is room."
    assert [(s.page, s.kind, found.text[s.start : s.end]) for s in found.sections[3:6]] == [
        (2, "heading", "# Part 2 of the work"),
        (2, "text", prose),
        (2, "table", "| Item | Price |\n| --- | --- |\n| Bolt | 1.50 |"),
    ]  # fmt: skip
    assert "ACME" not in found.text and "- 2 -" not in found.text


def test_a_scanned_page_is_set_aside_and_the_others_read(tmp_path):
    outcome = read(tmp_path, "a.pdf", pdf([page_of_text(1), []]))
    assert outcome.document and outcome.set_aside == [("page 2", "scanned, needs OCR")]
    assert read(tmp_path, "b.pdf", pdf([[], []])).set_aside == [("", "scanned, needs OCR")]


def lines_on_a_page(lines: list[str]) -> bytes:
    shown = [line.replace("(", r"\(").replace(")", r"\)") for line in lines]
    return pdf([[(line, 60, 760 - 14 * number, 11) for number, line in enumerate(shown)]])


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ("The panel asked for a redistribu-", "tion of the load.", "redistribution"),
        ("Use the long-lived cache where it is well-", "known to all.", "well-known"),
        ("These are up-to-date and they are up-to-", "date again.", "up-to-date again"),
        ("It says that the non-", "EU buyers pay more.", "non-EU"),
        ("The valve is of the type DN-", "150 and made of steel.", "DN-150"),
        ("The years of the plan are 2031-", "2034 and no more.", "2031-2034"),
        ("The margin has changed by -", "7.25 percent this year.", "by -7.25"),
        ("The margin fell to -", ".5 percent this year.", "to -.5"),
        ("Between the values of 3 -", "9 the valve stays open.", "3 - 9"),
        ("Both the short-", "and the long-term plans hold.", "short- and"),
        ("These are multi-layer and then multi-", "layer boards again.", "then multi-layer"),
    ],
)
def test_a_hyphen_at_a_line_end(tmp_path, before, after, whole):
    assert whole in document(tmp_path, "a.pdf", lines_on_a_page([before, after])).text


FIGURES = st.sampled_from(
    ["-38.2%", "-1.6", "-$45", "2019-2021", "AX-200", "ISO-9001", "400-5432", "(1,234)", "-.5", "7"]
)
PHRASES = st.tuples(st.sampled_from(["profit", "changed", "by", "the", "total", "of", "against"]), FIGURES)


@settings(max_examples=100, deadline=None)
@given(st.lists(PHRASES, min_size=6, max_size=20), st.data())
def test_no_figure_loses_its_sign_wherever_lines_end(tmp_path_factory, phrases, data):
    words, lines = [word for phrase in phrases for word in phrase], [""]
    for word in words:
        if data.draw(st.integers(0, 4)) == 0:
            lines.append("")
        head, hyphen, tail = word.partition("-")
        begins = head + hyphen if hyphen and data.draw(st.booleans()) else word
        lines[-1] = f"{lines[-1]} {begins}".strip()
        if begins != word:
            lines.append(tail)
    found = document(tmp_path_factory.getbasetemp(), "a.pdf", lines_on_a_page([line for line in lines if line]))
    assert [w for w in found.text.split() if not set(w) <= set("#|-")] == words


def test_signs_that_pdfium_gives_as_other_characters():
    from tuneloop.documents.hyphen import BREAK
    from tuneloop.documents.pdf import UNUSUAL, clean_line, sign

    def read_line(text: str) -> str:
        return clean_line(UNUSUAL.sub(sign, text))

    assert read_line("同比\ufffe38.2%") == f"同比{BREAK}38.2%"
    assert read_line("was \u00ad5.1 of") == f"was {BREAK}5.1 of"
    assert read_line("was \uf02d5.1, \uf0b13, \uf0a34") == "was \u22125.1, ±3, ≤4"
    assert read_line("\uf02d first of all") == "• first of all"
    assert read_line("was \x015.1") == "was \ufffd5.1"  # a glyph without a name: that something stood there is not lost
    assert clean_lines("soft\u00adware, \u00ad5.1") == "software, -5.1"


def test_a_hyphen_between_chinese_and_a_number_stays():
    from tuneloop.documents.hyphen import BREAK
    from tuneloop.documents.layout import Line, Page, page_blocks

    for mark in (BREAK, "-"):
        lines = [
            Line(f"本季度归属于股东的净利润同比{mark}", 60, 500, 700, 12),
            Line("7.3%，型号不变。", 60, 200, 684, 12),
        ]
        blocks = page_blocks([Page(1, 595, 842, lines)])
        assert [b.text for b in blocks] == ["本季度归属于股东的净利润同比-7.3%，型号不变。"]


def test_an_amount_in_the_margin_is_no_page_number(tmp_path):
    pages = [[*page_of_text(n)[:-1], (f"-{n}", 290, 30, 9)] for n in (1, 2, 3)]
    assert "-2" in document(tmp_path, "a.pdf", pdf(pages)).text


def test_chinese_lines_are_joined_without_space():
    from tuneloop.documents.layout import Line, Page, page_blocks

    lines = [Line("第一行到这里还没有结束，接着", 60, 500, 700, 12), Line("是第二行。", 60, 130, 684, 12)]
    assert [b.text for b in page_blocks([Page(1, 595, 842, lines)])] == ["第一行到这里还没有结束，接着是第二行。"]


def test_csv(tmp_path):
    table = document(tmp_path, "a.csv", "name,age\nAnn,7\nBen,8\n")
    assert table.text == "| name | age |\n| --- | --- |\n| Ann | 7 |\n| Ben | 8 |"
    records = document(tmp_path, "b.csv", f'title,answer\nA,"{"long " * 40}"\nB,short\n')
    assert [text for _, _, text in shape(records)] == [
        "title: A\nanswer: " + ("long " * 40).strip(),
        "title: B\nanswer: short",
    ]


@pytest.mark.parametrize("name", ["law.txt", "law.md"])
def test_articles_of_a_law_are_units(tmp_path, name):
    mark = "## " if name.endswith("md") else ""
    text = (
        f"{'# ' if mark else ''}中华人民共和国某法\n\n{mark}第一章 总　则\n\n第一条 为了规范，制定本法。\n\n"
        "第二条 依照第一条规定处理。\n\n前款另有规定的除外。\n\n"
        f"{mark}第二章 附则\n\n第三条 本法自公布之日起施行。\n"
    )
    found = document(tmp_path, name, text)
    chunks = cut(found, 200, 30)
    assert [(c.heading[1:], c.text.split("\n\n")[-1]) for c in chunks if c.heading[2:]] == [
        (["第一章 总则", "第一条"], "第一条 为了规范，制定本法。"),
        (["第一章 总则", "第二条"], "前款另有规定的除外。"),
        (["第二章 附则", "第三条"], "第三条 本法自公布之日起施行。"),
    ]


CHINESE = "人民法院审理案件，应当以事实为根据，以法律为准绳。患者服药后症状有所减轻，建议继续观察，必要时到医院检查。\n"


def test_languages():
    assert language_of(CHINESE) == "zh" and language_of("The cat is on the mat.") == "en"
    assert language_of("# 用 `docker run` 安装\n```\n" + "apt-get install foo bar\n" * 40 + "```\n") == "zh"
    assert language_of("Der Hund schläft unter dem Baum, während es regnet.") == ""


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.sampled_from(["text/markdown", "text/html", "text/plain", "text/csv"]))
def test_readers_take_any_text(text, media_type):
    try:
        reading = read_text(text.encode("utf-8", "surrogatepass"), media_type)
    except Unreadable:
        return
    body, sections = assemble(reading.blocks)
    check_sections(Document(id="", name="", text=body, sections=sections))


# Files and the stage


def test_names_are_relative_unique_and_in_order(tmp_path):
    for name in ("a/x.md", "a/sub/y.md", "b/x.md", "a/.git/z.md", "a/~$x.docx"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found = find_files([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "a" / "x.md")], 200)
    assert [file.name for file in found] == ["a/x.md", "b/x.md", "sub/y.md"]
    assert [file.name for file in find_files([str(tmp_path / "a" / "**" / "*.md")], 200)] == ["sub/y.md", "x.md"]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take names in UTF-8 only")
def test_names_that_are_not_utf8_are_read_and_shown(ctx, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "ok.md").write_text("This is fine.")
    for number, name in enumerate(
        ["测试.md".encode("gbk"), "問題.md".encode("big5"), b"caf\xe9.md", "a.测".encode("gbk")]
    ):
        (folder / os.fsdecode(name)).write_text(f"This is {number}.")
    (folder / os.fsdecode("文件.pdf".encode("gbk"))).write_bytes(pdf([page_of_text(1)]))
    Parse(paths=[str(folder)]).run(ctx)
    names = [d.name for d in read_rows(ctx.out / "documents.parquet", Document)]
    assert names == ["caf\\xe9.md", "ok.md", "問題.md", "文件.pdf", "测试.md"]
    assert [where for where, _reason, _row in ctx.rejected] == ["a.测"]

    alone = Parse(paths=[os.fsdecode(bytes(folder) + b"/" + "测试.md".encode("gbk"))])
    assert alone.paths[0].endswith("/in/\\xb2\\xe2\\xca\\xd4.md")  # as any database and reply can hold it
    assert alone.run(ctx)["documents"] == 1
    with pytest.raises(NotFound) as caught:
        Parse(paths=[os.fsdecode(b"/absent-\xb2\xe2")]).run(ctx)
    assert str(caught.value).encode("utf-8")


def test_folders_that_are_not_entered_are_set_aside(ctx, tmp_path, monkeypatch):
    folder, scandir = tmp_path / "in", os.scandir
    for path in (folder / "closed", tmp_path / "elsewhere"):
        path.mkdir(parents=True)
        (path / "b.md").write_text("This is elsewhere.")
    (folder / "a.md").write_text("This is here.")
    (folder / "link").symlink_to(tmp_path / "elsewhere")

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    Parse(paths=[str(folder)]).run(ctx)
    assert [(where, reason) for where, reason, _row in ctx.rejected] == [
        ("closed", "cannot be read: Permission denied"),
        ("link", "a link to a folder, which is not followed: name that folder too"),
    ]


def test_a_link_that_leads_out_of_the_folder_is_refused_and_one_inside_is_read(ctx, tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "outside"
    for path in (folder / "sub", outside):
        path.mkdir(parents=True)
    (folder / "sub" / "real.md").write_text("This is inside.")
    (folder / "near.md").symlink_to(folder / "sub" / "real.md")
    (outside / "secret.md").write_text("root:x:0:0 is nobody's business.")
    (folder / "one.txt").symlink_to(outside / "secret.md")
    (folder / "two.txt").symlink_to(outside / "secret.md")
    (folder / "way").symlink_to(outside)
    reason = "a link that leads out of the folder, which is not followed: name that file too"
    assert Parse(paths=[str(folder)]).run(ctx)["documents"] == 1
    refused = [(where, why) for where, why, _row in ctx.rejected if where != "way"]
    assert refused == [("one.txt", reason), ("two.txt", reason)]
    pattern = find_files(
        [str(folder / "**" / "*.*")], 200
    )  # which a pattern reaches through a link to a folder as well
    assert {f.name for f in pattern if f.problem == reason} == {"one.txt", "two.txt", "way/secret.md"}
    named = find_files([str(folder), str(folder / "one.txt")], 200)
    assert [(f.name, f.problem) for f in named if f.expected and f.name.endswith("txt")] == [("one.txt", "")]
    both = find_files([str(folder), str(outside)], 200)
    assert not [f for f in both if f.expected and f.problem]


@pytest.mark.parametrize("text", ["/a\0b", "/a\ud800b"])
def test_text_that_nothing_can_hold_is_refused_by_every_stage(text):
    for make in (lambda: Parse(paths=["/fine", text]), lambda: Chunk(documents=text)):
        with pytest.raises(ValidationError) as caught:
            make()
        assert "NUL" in describe_invalid(caught.value) or "half a character" in describe_invalid(caught.value)
        assert describe_invalid(caught.value).isprintable()


@pytest.fixture
def bad_folder(tmp_path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nThis is the text.\n")
    (folder / "copy.md").write_text("# Good\n\nThis is the text.\n")
    (folder / "empty.md").write_bytes(b"")
    (folder / "blank.md").write_text("\n\n")
    (folder / "garbage.md").write_bytes(bytes(range(256)) * 40)
    (folder / "really.md").write_bytes(b"%PDF-1.4 ...")
    (folder / "cut.pdf").write_bytes(pdf([page_of_text(1)])[:300])
    (folder / "cut.docx").write_bytes(word(tmp_path, "<w:p/>").read_bytes()[:-40])
    (folder / "locked.docx").write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le")
    )
    with zipfile.ZipFile(folder / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/document.xml", b"<a>" + b" " * 40_000_000)
    (folder / "picture.png").write_bytes(b"\x89PNG")
    with (folder / "huge.txt").open("wb") as file:
        file.truncate(300_000_000)
    return folder


def test_bad_files_are_set_aside_with_one_reason_each(ctx, bad_folder, tmp_path):
    summary = Parse(paths=[str(bad_folder), str(tmp_path / "absent.md")]).run(ctx)
    reasons = {where: reason for where, reason, _ in ctx.rejected}
    assert len(reasons) == len(ctx.rejected) == summary["rejected"] == 12
    assert {where: reason.split(":")[0] for where, reason in reasons.items()} == {
        "absent.md": "no such file or folder",
        "blank.md": "holds no text",
        "bomb.docx": "word/document.xml unpacks to 40 MB",
        "cut.docx": "damaged or truncated",
        "cut.pdf": "damaged or truncated",
        "empty.md": "empty",
        "garbage.md": "not text",
        "good.md": "the same content as copy.md",
        "huge.txt": "larger than 200 MB (300 MB); raise --max-mb to read it",
        "locked.docx": "encrypted",
        "picture.png": "an image, needs OCR",
        "really.md": "not text",
    }
    rows = list(read_rows(ctx.out / "documents.parquet", Document))
    assert [(d.name, d.title, d.text) for d in rows] == [("copy.md", "Good", "# Good\n\nThis is the text.")]
    assert summary["documents"] == 1 and summary["languages"] == {"en": 1}


def test_a_folder_that_is_named_and_holds_no_files_is_lost(ctx, tmp_path):
    (tmp_path / "docs" / "drafts").mkdir(parents=True)
    (tmp_path / "docs" / "a.md").write_text("# A\n\nText.\n")
    (tmp_path / "void" / ".git").mkdir(parents=True)
    (tmp_path / "void" / ".git" / "HEAD").write_text("hidden")
    (tmp_path / "link").symlink_to(tmp_path / "void")
    before = Parse(paths=[str(tmp_path / "docs")]).fingerprint()
    stage = Parse(paths=[str(tmp_path / name) for name in ("docs", "void")])
    assert stage.run(ctx)["documents"] == 1 and stage.fingerprint() != before
    assert [(row[0], row[1]) for row in ctx.rejected] == [("void", "the folder holds no files")]
    for name in ("void", "link"):
        (file,) = find_files([str(tmp_path / name)], 1)
        assert file.expected and file.problem == "the folder holds no files"
        with pytest.raises(TuneloopError, match=f"{name}: the folder holds no files"):
            Parse(paths=[str(tmp_path / name)]).check_outside(Settings.model_validate({}))


def test_nothing_readable_is_an_error_with_the_reasons(ctx, bad_folder):
    for name in ("good.md", "copy.md"):
        (bad_folder / name).unlink()
    with pytest.raises(TuneloopError, match=r"none of the 10 files could be read.*huge\.txt: larger than"):
        Parse(paths=[str(bad_folder)]).run(ctx)


@pytest.mark.parametrize("path", ["absent", "none/*.md"])
def test_a_missing_path_alone_is_an_error(ctx, tmp_path, path):
    for act in (Parse(paths=[str(tmp_path / path)]).fingerprint, lambda: Parse(paths=[str(tmp_path / path)]).run(ctx)):
        with pytest.raises(NotFound, match=r"no such file|no file matches"):
            act()


def test_the_fingerprint_follows_bytes_and_names(tmp_path):
    (tmp_path / "a.md").write_text("one")
    stage = Parse(paths=[str(tmp_path)])
    first = stage.fingerprint()
    assert stage.fingerprint() == first
    (tmp_path / "a.md").write_text("two")
    second = stage.fingerprint()
    (tmp_path / "a.md").rename(tmp_path / "b.md")
    assert len({first, second, stage.fingerprint()}) == 3


def test_a_file_that_crashes_or_hangs_ends_only_itself(ctx, tmp_path, monkeypatch):
    script = tmp_path / "reader.py"
    script.write_text(
        "import os, signal, time\nfrom tuneloop.documents import reader\nfrom tuneloop.rows import worker\n"
        "real = reader.read_file\n"
        "def fake(path, name, sha256):\n"
        "    if 'crash' in name: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if 'hang' in name: time.sleep(60)\n"
        "    if 'bug' in name: raise KeyError('x')\n"
        "    return real(path, name, sha256)\nreader.read_file = fake\nworker.main()\n"
    )
    monkeypatch.setattr(local, "module_command", lambda module: [sys.executable, str(script)])
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("crash", "hang", "bug", "fine", "good"):
        (folder / f"{name}.md").write_text(f"This is {name}.")
    Parse(paths=[str(folder)], seconds=2).run(ctx)
    assert {where: reason for where, reason, _ in ctx.rejected} == {
        "crash.md": "the reader crashed on it (SIGSEGV)",
        "hang.md": "not read within 2 seconds",
        "bug.md": "the reader failed: KeyError: 'x'",
    }
    assert [d.name for d in read_rows(ctx.out / "documents.parquet", Document)] == ["fine.md", "good.md"]


def test_a_parse_that_was_cut_short_goes_on_and_gives_the_same_bytes(ctx, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.md").write_text(f"# Title {number}\n\nThis is text.")

    class Stopped(Exception):
        pass

    def stop_at_five(done, total=None, unit=""):
        if done >= 5:
            raise Stopped

    stage, progress = Parse(paths=[str(folder)]), ctx.progress
    ctx.progress = stop_at_five
    with pytest.raises(Stopped):
        stage.run(ctx)
    seen = []
    ctx.progress = lambda done, total=None, unit="": seen.append(done)
    stage.run(ctx)
    assert seen[0] >= 4 and seen[-1] == 12
    first = (ctx.out / "documents.parquet").read_bytes()
    ctx.progress = progress
    stage.run(ctx)
    assert (ctx.out / "documents.parquet").read_bytes() == first
    assert stage.run(ctx)["documents"] == 12


# Chunks

SENTENCES = st.sampled_from([
    "The `limit-count` plugin limits requests.", "人民法院应当以事实为根据，以法律为准绳。",
    "See https://example.com/a/b?c=d now!",
    "Version 1.2.3 costs $3.50, e.g. today.", "他说：“好的。”然后走了；",
    "x" * 300, "数据" * 200, "no end here", "a,b;c " * 60,
])  # fmt: skip
BLOCKS = st.one_of(
    st.integers(1, 4).map(lambda n: f"\n\n{'#' * n} Heading {n}\n\n"),
    st.lists(SENTENCES, max_size=4).map(lambda s: "\n\n" + " ".join(s)),
    st.lists(SENTENCES, min_size=1, max_size=3).map(lambda s: "\n\n" + "\n".join(f"- {t}" for t in s)),
    st.integers(1, 30).map(
        lambda n: "\n\n| k | v |\n| - | - |\n" + "\n".join(f"| {i} | value {i} |" for i in range(n))
    ),
    st.integers(1, 30).map(lambda n: "\n\n```py\n" + "\n".join(f"x = {i}\n" for i in range(n)) + "```\n"),
    st.text(max_size=40),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(BLOCKS, max_size=8).map("".join), st.integers(20, 120), st.integers(0, 40))
@example("x" * 300 + "\u00b9", 92, 0)  # a letter that is not ASCII at the end of a word that is cut
def test_chunks_are_exact_ordered_complete_and_within_the_budget(text, tokens, overlap):
    body, sections = assemble(read_markdown(text).blocks)
    found = Document(id="d", name="d", text=body, sections=sections)
    chunks = list(cut(found, tokens, overlap))
    position, before = 0, -1
    for chunk in chunks:
        assert chunk.text == body[chunk.start : chunk.end] == chunk.text.strip("\n")
        assert chunk.start > before and not body[position : chunk.start].strip()
        assert chunk.tokens == estimate_tokens(chunk.text) <= tokens
        heading = [title for title in chunk.heading if not title.startswith(LEAD)]
        assert not heading or any(s.heading[: len(heading)] == heading for s in sections)
        assert chunk.heading[: len(heading)] == heading and len(chunk.heading) <= len(heading) + 1
        before, position = chunk.start, max(position, chunk.end)
    assert not body[position:].strip()
    assert list(cut(found, tokens, overlap)) == chunks
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def chunks_of(text: str, tokens: int = 60, overlap: int = 0) -> list[ChunkRow]:
    body, sections = assemble(read_markdown(text).blocks)
    return list(cut(Document(id="d", name="d", text=body, sections=sections), tokens, overlap))


def test_small_sections_join_under_their_parent_but_not_across_top_headings():
    text = "# A\n\n## B\n\nShort text.\n\n## C\n\nShort too.\n\n# D\n\nOther text.\n"
    assert [(c.heading, c.text) for c in chunks_of(text)] == [
        (["A"], "# A\n\n## B\n\nShort text.\n\n## C\n\nShort too."),
        (["D"], "# D\n\nOther text."),
    ]


def test_code_that_fits_is_not_cut_and_headings_stay_with_their_text():
    words = "These are words that fill the passage nearly to its end. " * 3
    code = "```\n" + "\n".join(f"line {n}" for n in range(12)) + "\n```"
    chunks = chunks_of(f"# T\n\n{words}\n\n## Next\n\n{words}\n\n{code}\n")
    assert sum(code in chunk.text for chunk in chunks) == 1
    assert not any(chunk.text.splitlines()[-1].startswith("#") for chunk in chunks)


def test_overlap_repeats_whole_sentences_of_the_same_heading():
    text = (
        "# T\n\n"
        + " ".join(f"Sentence number {n} is here." for n in range(20))
        + "\n\n# U\n\n"
        + "Last words here. " * 9
    )
    chunks = chunks_of(text, 40, 10)
    for one, two in pairwise(chunks):
        repeated = one.text[two.start - one.start :]
        assert (repeated == "") == (one.heading != two.heading)
        assert not repeated or (repeated.startswith(("Sentence", "Last")) and estimate_tokens(repeated) <= 10)


def test_a_passage_within_a_list_or_table_has_what_announces_it():
    items = "\n".join(f"（{n}）隐瞒第{n}种与合同有关的重要情况；" for n in "一二三四五六七八")
    chunks = chunks_of(
        f"# 法\n\n情节轻的，可以提醒；代理人不得有下列行为：\n\n{items}\n\n违反规定的，依法处罚。", 60, 10
    )
    within = [c for c in chunks if c.text.startswith("（")]
    assert len(within) > 1 and all(c.heading == ["法", "… 情节轻的，可以提醒；代理人不得有下列行为："] for c in within)
    assert chunks[0].heading == ["法"]

    steps = "\n".join(f"- Never do the thing that is called {n}." for n in range(6))
    below = steps.replace("- ", "  - ")
    nested = f"Never do these:\n\n{steps}\n- Nor one of the following:\n{below}\n- And no last thing.\n"
    leads = [c.heading[-1:] for c in chunks_of(nested + "\nA paragraph. " * 30, 40) if c.text.lstrip()[:1] == "-"]
    assert leads.count(["… Never do these:"]) >= 2 and leads.count(["… Nor one of the following:"]) >= 1
    assert not any(c.heading for c in chunks_of("Some words.\n\n" + steps, 40))

    rows = "\n".join(f"| name {n} | {n} seconds |" for n in range(12))
    tables = chunks_of(f"| key | limit |\n| - | - |\n{rows}\n", 40)
    assert [c.heading for c in tables] == [[]] + [["… | key | limit |"]] * (len(tables) - 1) and len(tables) > 2


def test_the_chunk_stage(ctx, tmp_path):
    (tmp_path / "a.md").write_text("# A\n\n" + "This is a sentence. " * 100)
    summary = Parse(paths=[str(tmp_path / "a.md")]).run(ctx)
    ref = ctx.add("documents", ctx.out, summary)
    ctx.out.mkdir()
    made = Chunk(documents=ref, tokens=50, overlap=10).run(ctx)
    rows = list(read_rows(ctx.out / "chunks.parquet", ChunkRow))
    assert made["chunks"] == len(rows) > 10 and made["longest"] <= 50
    assert {row.name for row in rows} == {"a.md"} and rows[0].heading == ["A"]
    with pytest.raises(TuneloopError, match="more than half"):
        Chunk(documents=ref, tokens=50, overlap=30).run(ctx)


# Real documents


@pytest.mark.parametrize(
    ("name", "documents", "scanned"),
    [("docs_docling", 23, 6), ("docs_markitdown", 15, 3), ("docs_mineru", 6, 1), ("zh_laws/案例", 28, 0)],
)
def test_real_documents(ctx, data, name, documents, scanned):
    summary = Parse(paths=[str(data / name / "**" / "*.*")]).run(ctx)
    assert summary["documents"] >= documents
    assert sum(reason == "scanned, needs OCR" for _, reason, _ in ctx.rejected) == scanned
    for found in read_rows(ctx.out / "documents.parquet", Document):
        check_sections(found)
        assert all(c.tokens <= 200 for c in cut(found, 200, 30))


@pytest.mark.skipif(os.name == "nt", reason="fork and rlimits")
def test_the_stages_import_nothing_heavy():
    import subprocess

    code = (
        "import sys, tuneloop.documents.parse, tuneloop.documents.chunk\n"
        "print([m for m in ('lxml', 'pyarrow', 'markdown_it', 'pypdfium2', 'charset_normalizer') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
